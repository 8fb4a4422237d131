import type { SlotSnapshot } from '../scoreboard/scoreboard.js';
import { lineText } from '../status/escape.js';
import { requestFields } from '../status/from-params.js';

const IN_HAND: readonly SlotSnapshot['stage'][] = ['info', 'executing', 'finished'];

/**
 * What a worker was doing when it ended, for the line that tells of its end; empty where it had nothing in hand. All of
 * it is what a client sent: control characters do not make lines of their own.
 */
export function lostRequestText(snapshot: SlotSnapshot | undefined): string {
  if (snapshot === undefined || !IN_HAND.includes(snapshot.stage)) return '';
  const { method, uri, query, script } = requestFields(snapshot.params);
  const target = query.length === 0 ? uri : Buffer.concat([uri, Buffer.from('?'), query]);
  const seconds = (Number(process.hrtime.bigint() - snapshot.requestStartNs) / 1e9).toFixed(6);
  return `, script '${lineText(script)}' (request: "${lineText(method)} ${lineText(target)}") was lost after ${seconds} sec`;
}
