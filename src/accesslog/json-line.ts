import { contentLength } from '../request/content-length.js';
import { LENGTH_BYTES, METHOD_BYTES } from '../request/limits.js';
import type { Bytes } from '../units.js';
import type { FieldList, TextOf } from './fields.js';
import type { AccessLine } from './line.js';
import type { RequestRecord } from './record.js';
import { userOf } from './user.js';

const LONG: Bytes = 2048;
const USUAL: Bytes = 512;

/** ASCII that JSON writes without an escape. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A JSON string of bytes that should be UTF-8; bytes that are not become U+FFFD. `null` for no text. */
function text(bytes: string | undefined): string {
  if (bytes === undefined || bytes === '') return 'null';
  if (PLAIN.test(bytes)) return `"${bytes}"`;
  return JSON.stringify(Buffer.from(bytes, 'latin1').toString('utf8'));
}

/** `access.format = json`: one object a line, always with the same keys. */
export function jsonLine(fields: FieldList, pool: string): (record: RequestRecord) => AccessLine {
  fields.wantsCpu = true;
  const param = (name: string, most = USUAL): TextOf => fields.add('PARAM', most, name);
  const method = param('REQUEST_METHOD', METHOD_BYTES);
  const uri = fields.add('URI', LONG);
  const script = fields.add('SCRIPT', LONG);
  const requestUri = param('REQUEST_URI', LONG);
  const query = param('QUERY_STRING', LONG);
  const host = param('HTTP_HOST');
  const client = param('REMOTE_ADDR');
  const agent = param('HTTP_USER_AGENT');
  const referrer = param('HTTP_REFERER');
  const length = param('CONTENT_LENGTH', LENGTH_BYTES);
  const user = userOf(fields);
  const poolText = JSON.stringify(pool);
  return (record) => ({
    text:
      `{"time":"${time(record.startEpochUs)}","pool":${poolText},"pid":${record.pid},` +
      `"client":${text(client(record))},"user":${text(user(record))},"host":${text(host(record))},` +
      `"method":${text(method(record))},"uri":${text(uri(record))},"request_uri":${text(requestUri(record))},` +
      `"query":${text(query(record))},"status":${record.status},` +
      `"duration_ms":${milliseconds(record.durationNs / 1e6)},` +
      `"cpu_ms":${milliseconds((record.cpuUserUs + record.cpuSystemUs) / 1000)},` +
      `"memory_bytes":${record.memoryPeak},"content_length":${contentLength(length(record))},` +
      `"script":${text(script(record))},"user_agent":${text(agent(record))},` +
      `"referrer":${text(referrer(record))}}\n`,
    isCut: false,
  });
}

/** A worker may have put any number there. */
function time(epochUs: number): string {
  const date = new Date(epochUs / 1000);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** Three decimals, without the cost of toFixed. */
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
