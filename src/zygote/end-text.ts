import type { Pid } from '../units.js';
import { exitText } from './exit-text.js';
import type { ZygoteEnd } from './zygote.js';

export interface EndedZygote {
  readonly binary: string;
  /** undefined where it could not be started. */
  readonly pid: Pid | undefined;
  readonly wasReady: boolean;
  /** What php-cgi itself printed last; empty where it printed nothing. */
  readonly lastLine: string;
}

/** Why a zygote has ended, for the log and for the caller who started it. */
export function zygoteEndText(end: ZygoteEnd, { binary, pid, wasReady, lastLine }: EndedZygote): string {
  switch (end.kind) {
    case 'not started':
      return `php-cgi '${binary}' cannot be started: ${end.reason}`;
    case 'broken protocol':
      return `zygote ${pid} broke the control protocol (${end.reason}) and was killed`;
    default: {
      const exit = `exited ${exitText(end)}`;
      const whoExited = wasReady
        ? `zygote ${pid} ${exit}`
        : `php-cgi '${binary}' ${exit} before it was ready`;
      return `${whoExited}${lastWords(lastLine)}`;
    }
  }
}

/** Behind a sentence about a php-cgi that failed: the last line that it printed, if any. */
export function lastWords(lastLine: string): string {
  return lastLine === '' ? '' : `; its last words: "${lastLine}"`;
}
