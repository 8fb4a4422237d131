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
  const seconds = (Number(process.hrtime.bigint() - snapshot.requestStartNs) / 1e9).toFixed(6);
  return `, ${requestText(snapshot)} was lost after ${seconds} sec`;
}

/** The present or last request in php-fpm's words: `script '/srv/x.php' (request: "GET /x.php?a")`. */
export function requestText({ params }: Pick<SlotSnapshot, 'params'>): string {
  const { method, uri, query, script } = requestFields(params);
  const target = query.length === 0 ? uri : Buffer.concat([uri, Buffer.from('?'), query]);
  return `script '${lineText(script)}' (request: "${lineText(method)} ${lineText(target)}")`;
}
