import { unreachable } from '../errors.js';
import { jsonRequest, jsonWord } from '../text/harmless.js';
import { type Field, type PageContent, poolFields, WORKER_FIELDS } from './fields.js';
import { integerText, percentText } from './numbers.js';
import type { PoolStatus } from './status.js';
import type { StatusValue } from './value.js';

export function renderJson(pool: PoolStatus, content: PageContent): string {
  const workers = content.full
    ? // php-fpm writes this blank.
      `, "processes":[${pool.processes.map((worker) => `{${members(WORKER_FIELDS, worker)}}`).join(',')}]`
    : '';
  return `{${members(poolFields(content), pool)}${workers}}`;
}

function members<Owner>(fields: readonly Field<Owner>[], owner: Owner): string {
  return fields.map(({ name, value }) => `"${name}":${valueJson(value(owner))}`).join(',');
}

function valueJson(value: StatusValue): string {
  switch (value.is) {
    case 'integer':
      return integerText(value.value);
    case 'time':
      return integerText(value.epochS);
    case 'percent':
      return percentText(value.value);
    case 'word':
      return jsonWord(value.text);
    case 'request':
      return jsonRequest(value.bytes);
    default:
      return unreachable(value);
  }
}
