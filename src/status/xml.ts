import { unreachable } from '../errors.js';
import { markupText } from '../text/harmless.js';
import { type Field, type PageContent, poolFields, WORKER_FIELDS } from './fields.js';
import { integerText, percentText } from './numbers.js';
import type { PoolStatus } from './status.js';
import type { StatusValue } from './value.js';

export function renderXml(pool: PoolStatus, content: PageContent): string {
  const fields = elements(poolFields(content), pool).map((element) => `${element}\n`);
  const workers = content.full ? workerList(pool) : '';
  return `<?xml version="1.0" ?>\n<status>\n${fields.join('')}${workers}</status>`;
}

function workerList({ processes }: PoolStatus): string {
  const rows = processes.map((worker) => `<process>${elements(WORKER_FIELDS, worker).join('')}</process>\n`);
  return `<processes>\n${rows.join('')}</processes>\n`;
}

function elements<Owner>(fields: readonly Field<Owner>[], owner: Owner): string[] {
  return fields.map(({ element, value }) => `<${element}>${valueXml(value(owner))}</${element}>`);
}

function valueXml(value: StatusValue): string {
  switch (value.is) {
    case 'integer':
      return integerText(value.value);
    case 'time':
      return integerText(value.epochS);
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
