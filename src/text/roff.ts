/** Text for a manual page: nothing in it is taken for a macro or an escape, and `-` can be searched and copied. */
export function roffText(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/gm, '\\&$&');
}

/** Lines that are shown as they are. */
export function roffLiteral(text: string): string {
  return `.nf\n${roffText(text.trimEnd())}\n.fi`;
}
