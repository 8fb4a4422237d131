import { constants } from 'node:os';
import { killGroup } from '../os/child.js';
import { sendByNumber } from '../os/pidfd.js';
import { processState } from '../os/process-life.js';
import type { Orphans } from './orphans.js';
import type { ForkListener, Template } from './template.js';
import type { StartProcess } from './zygote-process.js';

/**
 * A zygote, or another template, that is forked from a template. Node knows nothing of such a child: `orphans` sees
 * its end.
 *
 * @param share as for {@link Template.fork}
 * @param otherwise how it is started where the template cannot be forked from, which its failure tells
 */
export function forkFrom(
  template: Template,
  orphans: Orphans,
  otherwise: StartProcess,
  share?: string,
): StartProcess {
  return (descriptors, listener) => {
    const startOtherwise = (reason: string) => {
      if (listener.isWanted()) otherwise(descriptors, listener);
      else listener.onFailed(reason);
    };
    const forkListener: ForkListener = {
      onForked: (pid) => {
        // The kernel's word that the number is a child's; one that has ended is, too, until its status is taken.
        if (processState(pid)?.parent !== process.pid) {
          startOtherwise('it ended as soon as it was forked');
          return;
        }
        let hasEnded = false;
        orphans.watch(pid, (status) => {
          hasEnded = true;
          listener.onExit(status);
        });
        listener.onStarted({
          pid,
          startedFrom: template.startedFrom,
          kill: () => {
            if (!hasEnded) sendByNumber(pid, constants.signals.SIGKILL);
          },
          killGroup: () => {
            if (hasEnded) return; // the number may be another's
            sendByNumber(pid, constants.signals.SIGKILL); // before it has begun its session there is no such group
            killGroup(pid);
          },
        });
      },
      onFailed: startOtherwise,
    };
    template.fork(descriptors, forkListener, share);
  };
}
