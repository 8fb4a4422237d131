import type { ExitStatus } from '../os/process.js';
import type { Orphans } from './orphans.js';
import { openChild } from './parentage.js';
import type { ForkListener, Template } from './template.js';
import type { StartProcess } from './zygote-process.js';

/** Where something else has taken the status along, a debugger for one. */
const UNKNOWN_STATUS: ExitStatus = { kind: 'exited', code: 0 };

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
    const forkListener: ForkListener = {
      onForked: (pid) => {
        const handle = openChild(pid);
        if (handle === undefined) return listener.onFailed('it ended as soon as it was forked');
        orphans.adopt(handle, (status) => {
          handle.close();
          listener.onExit(status ?? UNKNOWN_STATUS);
        });
        const kill = () => handle.send('SIGKILL');
        listener.onStarted({
          pid,
          kill,
          killGroup: () => {
            kill();
            if (!handle.isThere) return; // the number may be another's
            try {
              process.kill(-pid, 'SIGKILL');
            } catch {
              // ESRCH: it has not begun its session yet, and has started nothing
            }
          },
        });
      },
      onFailed: () => otherwise(descriptors, listener),
    };
    template.fork(descriptors, forkListener, share);
  };
}
