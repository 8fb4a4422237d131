import { requestFields } from '../request/fields.js';
import type { SlotSnapshot } from '../scoreboard/scoreboard.js';
import { lineText } from '../text/harmless.js';
import type { Nanoseconds } from '../units.js';

const IN_HAND: readonly SlotSnapshot['stage'][] = ['info', 'executing', 'finished'];

/**
 * What a worker was doing when it ended, for the log line about its end; empty where it had nothing in hand. The text
 * comes from a client: control characters are escaped, so that they cannot make lines of their own.
 */
export function lostRequestText(snapshot: SlotSnapshot | undefined): string {
  if (snapshot === undefined || !IN_HAND.includes(snapshot.stage)) return '';
  const seconds = secondsText(process.hrtime.bigint() - snapshot.requestStartNs);
  return `, ${requestText(snapshot)} was lost after ${seconds} sec`;
}

/** `script '/srv/a.php' (request: "GET /a.php?x=1")`, as php-fpm names a request; printable. */
export function requestText({ params }: Pick<SlotSnapshot, 'params'>): string {
  const { script } = requestFields(params);
  return `script '${lineText(script)}' (request: "${requestLine(params)}")`;
}

/** `GET /a.php?x=1` */
export function requestLine(params: Buffer): string {
  const { method, uri, query } = requestFields(params);
  const target = query.length === 0 ? uri : Buffer.concat([uri, Buffer.from('?'), query]);
  return `${lineText(method)} ${lineText(target)}`;
}

/** Seconds with six decimals: `1.500000`. */
export function secondsText(duration: Nanoseconds): string {
  return (Number(duration) / 1e9).toFixed(6);
}
