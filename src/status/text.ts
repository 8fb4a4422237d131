import { unreachable } from '../errors.js';
import { lineText } from '../text/harmless.js';
import { type Field, type PageContent, poolFields, WORKER_FIELDS } from './fields.js';
import { integerText, localTimeText, percentText } from './numbers.js';
import type { PoolStatus } from './status.js';
import type { StatusValue } from './value.js';

/** Name, colon and blanks before a value. */
const LABEL_WIDTH = 22;
const WORKER_RULE = `\n${'*'.repeat(24)}\n`;

export function renderText(pool: PoolStatus, content: PageContent): string {
  const workers = content.full ? pool.processes : [];
  return (
    lines(poolFields(content), pool) +
    workers.map((worker) => WORKER_RULE + lines(WORKER_FIELDS, worker)).join('')
  );
}

function lines<Owner>(fields: readonly Field<Owner>[], owner: Owner): string {
  return fields
    .map(
      ({ name, textName = name, value }) =>
        `${`${textName}:`.padEnd(LABEL_WIDTH)}${valueText(value(owner))}\n`,
    )
    .join('');
}

function valueText(value: StatusValue): string {
  switch (value.is) {
    case 'integer':
      return integerText(value.value);
    case 'time':
      return localTimeText(value.epochS);
    case 'percent':
      return percentText(value.value);
    case 'word':
      return lineText(value.text);
    case 'request':
      return lineText(value.bytes);
    default:
      return unreachable(value);
  }
}
