import type { Line, Look } from './screen.js';

/** SGR codes; the terminal's own sixteen colours, which its user has chosen. */
const CODES: Readonly<Record<Look, string>> = {
  plain: '',
  head: '7',
  faint: '2',
  good: '32',
  warning: '33;1',
  alarm: '31;1',
  chosen: '36;1',
};

/** A line for a terminal, without its end. */
export function paint(line: Line, hasColour: boolean): string {
  return line
    .map(({ text, look }) => {
      const code = CODES[look];
      return hasColour && code !== '' && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text;
    })
    .join('');
}
