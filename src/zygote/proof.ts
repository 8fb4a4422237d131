import { connect } from 'node:net';
import { ProtocolError } from '../errors.js';
import { FCGI_END_REQUEST, FCGI_STDIN } from '../fastcgi/constants.js';
import { RecordDecoder } from '../fastcgi/decode.js';
import { encodeStreamEnd } from '../fastcgi/encode.js';
import type { Milliseconds } from '../units.js';
import { encodeOwnHead, OWN_REQUEST_ID } from './own-request.js';

const PATIENCE_MS: Milliseconds = 10_000;

/**
 * Asks a worker for a script that does not exist. PHP starts a request and answers that it found none; any complete
 * answer proves that the worker serves.
 *
 * @param path of the unix socket that it accepts on
 * @returns undefined, or why there was no answer
 */
export function proveWorker(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = connect(path);
    const decoder = new RecordDecoder();
    const settle = (failure?: string) => {
      clearTimeout(timer);
      client.destroy();
      resolve(failure);
    };
    const timer = setTimeout(() => settle(`no answer within ${PATIENCE_MS / 1000} s`), PATIENCE_MS);
    client.on('connect', () => {
      client.write(Buffer.concat([encodeOwnHead(PROOF), encodeStreamEnd(FCGI_STDIN, OWN_REQUEST_ID)]));
    });
    client.on('data', (chunk: Buffer) => {
      try {
        for (const { type } of decoder.push(chunk)) if (type === FCGI_END_REQUEST) settle();
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        settle(error.message);
      }
    });
    client.on('error', (error) => settle(error.message));
    client.on('close', () => settle('it closed the connection without an answer'));
  });
}

const PROOF = { file: '/nonexistent/tsfpm-proof.php', name: '/tsfpm-proof.php' };
