import { unreachable } from '../errors.js';
import { markupText } from '../text/harmless.js';
import { type PageContent, poolFields, WORKER_FIELDS } from './fields.js';
import { integerText, localTimeText, percentText } from './numbers.js';
import type { PoolStatus, WorkerStatus } from './status.js';
import type { StatusValue } from './value.js';

const HEAD = `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
<head><title>PHP-FPM Status Page</title></head>
<body>
`;
const END = '</body></html>';

export function renderHtml(pool: PoolStatus, content: PageContent): string {
  const rows = poolFields(content).map(
    ({ name, value }) => `<tr><th>${name}</th><td>${valueHtml(value(pool))}</td></tr>\n`,
  );
  return `${HEAD}<table>\n${rows.join('')}</table>\n${content.full ? workerTable(pool) : ''}${END}`;
}

function workerTable({ processes }: PoolStatus): string {
  const names = WORKER_FIELDS.map(({ name }) => `<th>${name}</th>`).join('');
  return `<table border="1">\n<tr>${names}</tr>\n${processes.map(workerRow).join('')}</table>`;
}

function workerRow(worker: WorkerStatus): string {
  return `<tr>${WORKER_FIELDS.map(({ value }) => `<td>${valueHtml(value(worker))}</td>`).join('')}</tr>\n`;
}

function valueHtml(value: StatusValue): string {
  switch (value.is) {
    case 'integer':
      return integerText(value.value);
    case 'time':
      return localTimeText(value.epochS);
    case 'percent':
      return percentText(value.value);
    case 'word':
      return markupText(value.text);
    case 'request':
      return markupText(value.bytes);
    default:
      return unreachable(value);
  }
}
