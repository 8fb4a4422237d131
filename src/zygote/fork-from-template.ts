import type { ExitStatus } from '../os/process.js';
import type { Orphans } from './orphans.js';
import { openChild } from './parentage.js';
import type { Template } from './template.js';
import type { StartProcess } from './zygote-process.js';

/** Where something else has taken the status along, a debugger for one. */
const UNKNOWN_STATUS: ExitStatus = { kind: 'exited', code: 0 };

/**
 * A zygote that is forked from a template. Node knows nothing of such a child: `orphans` sees its end.
 *
 * @param otherwise how it is started where the template cannot be forked from, which its failure tells
 */
export function forkFrom(template: Template, orphans: Orphans, otherwise: StartProcess): StartProcess {
  return (descriptors, listener) =>
    template.fork(descriptors, {
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
    });
}
