import { Socket } from 'node:net';
import { FCGI_STDIN } from '../fastcgi/constants.js';
import { encodeStream } from '../fastcgi/encode.js';
import { readUInt32 } from '../os/native-integers.js';
import type { Bytes, Fd, Milliseconds } from '../units.js';
import { ERRAND_HEAD_SIZE, ERRAND_MAGIC } from './control-frames.js';
import { encodeOwnHead, OWN_REQUEST_ID } from './own-request.js';

/** The answer comes from a process of the pool's user: what is longer is no answer. */
const LONGEST_ANSWER: Bytes = 4 * 1024 * 1024;
/** For an errand that was asked to come to an end. */
const LAST_WORDS_MS: Milliseconds = 250;

/**
 * Has an errand evaluate a PHP expression, and waits for the text that this returns: see src/runtime/errand.c for what
 * the expression may call. It is asked to come to an end in time (`tsfpm_may_go_on()` says so), and left to itself a
 * moment later.
 *
 * @param fd the master's end of its connection, which is closed in any case
 * @param patienceMs until it is asked to come to an end
 * @returns undefined where it could not be done. What it says is a claim: it has the rights of the pool's user
 */
export function runErrand(fd: Fd, expression: string, patienceMs: Milliseconds): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const connection = new Socket({ fd, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    let length: Bytes = 0;
    const settle = () => {
      clearTimeout(timer);
      connection.destroy();
      resolve(decodeAnswer(Buffer.concat(chunks)));
    };
    let timer = setTimeout(() => {
      connection.end();
      timer = setTimeout(settle, LAST_WORDS_MS);
    }, patienceMs);
    connection.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > LONGEST_ANSWER) settle();
    });
    connection.on('end', settle);
    connection.on('error', settle); // it has ended; what it had said before is read first
    connection.on('close', settle);
    connection.write(encodeRequest(Buffer.from(expression, 'latin1')));
  });
}

/**
 * The root is a path that exists in every jail; php-cgi never gets to open it. php-cgi reads as much of the body as its
 * length says: nothing is left unread that would break the connection.
 */
function encodeRequest(body: Buffer): Buffer {
  const head = encodeOwnHead({
    file: '/.',
    name: '/.',
    params: [
      ['PATH_TRANSLATED', '/.'],
      ['CONTENT_LENGTH', `${body.length}`],
    ],
  });
  return Buffer.concat([head, ...encodeStream(FCGI_STDIN, OWN_REQUEST_ID, body)]);
}

/** @returns the text of a whole answer; undefined for anything else */
export function decodeAnswer(bytes: Buffer): Buffer | undefined {
  if (bytes.length < ERRAND_HEAD_SIZE || bytes.length > LONGEST_ANSWER) return undefined;
  if (readUInt32(bytes, 0) !== ERRAND_MAGIC) return undefined;
  const text = bytes.subarray(ERRAND_HEAD_SIZE);
  return text.length === readUInt32(bytes, 4) ? text : undefined;
}
