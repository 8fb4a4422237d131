import { constants } from 'node:os';
import { isWaitedFor, killGroup, startChild } from '../os/child.js';
import { asSystemError } from '../os/libc.js';
import type { Fd } from '../units.js';
import type { StartProcess } from './zygote-process.js';

/** How php-cgi is executed. */
export interface Execution {
  readonly binary: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
  /** The runtime library; open as long as anything is started. */
  readonly libraryFd: Fd;
}

/** A php-cgi that is executed for one zygote, or template, alone. */
export function execute({ binary, arguments: argv, environment, libraryFd }: Execution): StartProcess {
  return ({ standInFd, stdoutFd, stderrFd, controlFd, scoreboardFd, listenFd }, listener) => {
    try {
      const child = startChild(binary, argv, {
        env: environment,
        // In the order of DESCRIPTORS in control-frames.ts.
        stdio: [standInFd, stdoutFd, stderrFd, controlFd, scoreboardFd, listenFd, libraryFd],
        // A session of its own: Ctrl-C in the master's terminal is for the master alone.
        detached: true,
      });
      const { pid } = child;
      child.once('error', ({ message }) => {
        // With a pid it is about a signal that could not be sent: it has just ended.
        if (pid === undefined) listener.onFailed(message);
      });
      if (pid === undefined) return;
      child.once('exit', (code, signal) =>
        listener.onExit(
          signal === null
            ? { kind: 'exited', code: code ?? 0 }
            : { kind: 'signaled', signal: constants.signals[signal], isCoreDumped: false },
        ),
      );
      listener.onStarted({
        pid,
        kill: () => void child.kill('SIGKILL'),
        killGroup: () => {
          // Once its status is taken the number may be another's.
          if (isWaitedFor(pid)) killGroup(pid);
        },
      });
    } catch (error) {
      listener.onFailed(asSystemError(error).message);
    }
  };
}
