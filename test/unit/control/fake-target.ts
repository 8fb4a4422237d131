import type { ControlResult, ControlStatus, ControlTarget } from '../../../src/control/target.js';

export const STATUS: ControlStatus = {
  master: {
    version: '0.1.0',
    pid: 4242,
    state: 'running',
    configFile: '/etc/tsfpm.conf',
    startSinceS: 93_784,
    ready: true,
    reason: 'ready',
    reloads: { succeeded: 2, failed: 0, isLastSuccessful: true },
  },
  pools: [
    {
      name: 'www',
      listen: '/run/www.sock',
      processManager: 'dynamic',
      generation: 3,
      draining: 0,
      idle: 2,
      active: 1,
      maxChildren: 10,
      listenQueue: 0,
      requests: 4711n,
      slowRequests: 5n,
    },
  ],
};

export const DONE: ControlResult = { ok: true, exitCode: 0, lines: ['done'] };

/** Keeps what it was asked for, and does what the test says. */
export function fakeTarget(
  behaviour: Partial<ControlTarget> = {},
): ControlTarget & { readonly asked: string[] } {
  const asked: string[] = [];
  const note = async (what: string): Promise<ControlResult> => {
    asked.push(what);
    return DONE;
  };
  return {
    asked,
    status: async () => STATUS,
    live: async () => ({ master: STATUS.master, nowMs: 5, pools: [] }),
    reload: () => note('reload'),
    reopen: () => note('reopen'),
    stop: (kind) => note(`stop ${kind}`),
    upgrade: () => note('upgrade'),
    upgraded: () => note('upgraded'),
    trace: ({ target, sampleMs, hz }) => note(`trace ${target} ${sampleMs} ${hz}`),
    test: () => note('test'),
    ...behaviour,
  };
}
