import { basicUser } from '../request/basic-user.js';
import { USER_BYTES } from '../request/limits.js';
import type { Bytes } from '../units.js';
import type { FieldList } from './fields.js';
import type { RequestRecord } from './record.js';

/** An Authorization header holds user and password; only the user's part is used. */
const AUTHORIZATION_BYTES: Bytes = 512;

/** The user of Basic authorization; empty where there is none. */
export function userOf(fields: FieldList): (record: RequestRecord) => string {
  const authorization = fields.add('PARAM', AUTHORIZATION_BYTES, 'HTTP_AUTHORIZATION');
  return (record) => {
    const text = authorization(record);
    return text ? basicUser(text).slice(0, USER_BYTES) : '';
  };
}
