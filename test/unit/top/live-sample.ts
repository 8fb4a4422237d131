import type { ControlLive } from '../../../src/control/target.js';
import type { LivePool, LiveWorker } from '../../../src/status/live.js';
import { STATUS } from '../control/fake-target.js';

export const worker = (pid: number, more: Partial<LiveWorker> = {}): LiveWorker => ({
  pid,
  state: 'Idle',
  ageS: 100,
  requests: 10,
  durationMs: 5,
  method: 'GET',
  uri: `/page-${pid}`,
  script: '/srv/index.php',
  ...more,
});

export const pool = (name: string, more: Partial<LivePool> = {}): LivePool => ({
  name,
  processManager: 'static',
  startEpochS: 1000,
  maxChildren: 4,
  idle: 1,
  active: 1,
  maxActive: 2,
  maxChildrenReached: 0,
  listenQueue: 0,
  maxListenQueue: 0,
  listenQueueLen: 128,
  requests: 100,
  slowRequests: 0,
  serverErrors: 0,
  refused: 0,
  gone: 0,
  durations: { boundsS: [0.01, 0.1, 1], counts: [90, 10, 0, 0], sumS: 1 },
  deaths: {},
  hasZygote: true,
  workers: [worker(11, { state: 'Running', durationMs: 1500 }), worker(12)],
  workersLeftOut: 0,
  ...more,
});

export const live = (nowMs: number, pools: readonly LivePool[]): ControlLive => ({
  master: STATUS.master,
  nowMs,
  pools,
});

/** What drives a terminal, forges lines or has no width that is known. */
export const HOSTILE = '/\x1b[2J\x9b31m\r\n\t\0\u2028\u202e\u200b猫e\u0301\ud83d<script>';
