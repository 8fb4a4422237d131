import type { ProcessHandle } from '../../../src/os/process-handle.js';
import { newWorker, type RunningWorker } from '../../../src/pool/worker-table.js';
import type { WorkerOutput } from '../../../src/zygote/worker-output.js';

/** A worker without a process, for tests that need none. */
export function fakeWorker(changes: Partial<RunningWorker> = {}): RunningWorker {
  const facts = { slot: 0, pid: 100, process: undefined, endsBeforeEcho: undefined, startedAtMs: 0 };
  return { ...newWorker({ ...facts, output: {} as WorkerOutput, isProbe: false }), ...changes };
}

export interface FakeProcess {
  readonly handle: ProcessHandle;
  /** What it was sent, in order. */
  readonly sent: [signal: NodeJS.Signals | number, value?: bigint][];
}

/** @param failure what sending a signal fails with */
export function fakeProcess(
  pid: number,
  { hasEnded = false, failure = undefined as unknown } = {},
): FakeProcess {
  const sent: FakeProcess['sent'] = [];
  const handle = {
    pid,
    hasEnded,
    isThere: !hasEnded,
    close() {},
    send(signal: NodeJS.Signals | number, value?: bigint) {
      if (failure !== undefined) throw failure;
      sent.push(value === undefined ? [signal] : [signal, value]);
      return !hasEnded;
    },
  };
  return { handle: handle as unknown as ProcessHandle, sent };
}
