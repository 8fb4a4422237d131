import type { Milliseconds } from '../../units.js';
import { listen } from './attention.js';
import { clampSettings, clampSnapshot } from './clamp.js';
import { dynamicWish, shrinkDynamic } from './dynamic.js';
import { QUIET, tell } from './episodes.js';
import { type Growth, grow, ROOM_RETRY_MS, type Wish } from './growth.js';
import { emptyWindow } from './idle-window.js';
import { ONDEMAND_WISH, shrinkOndemand } from './ondemand.js';
import type { Shrinkage } from './retirement.js';
import { fullBucket } from './spawn-rate.js';
import { decideStatic } from './static.js';
import {
  type Decision,
  living,
  type PoolSnapshot,
  type ScalingMemory,
  type ScalingSettings,
} from './types.js';
import { decideZygoteIdleness } from './zygote-idleness.js';

/** For a generation without workers. */
export function initialScalingMemory(settings: ScalingSettings, nowMs: Milliseconds): ScalingMemory {
  return {
    isFilled: false,
    bucket: fullBucket(clampSettings(settings).maxSpawnRate, nowMs),
    episodes: QUIET,
    window: emptyWindow(nowMs),
    dueAtMs: undefined,
    emptySinceMs: undefined,
    listenedAtMs: undefined,
  };
}

/**
 * How many workers to fork, and which to let go. Asked for the first fill, after each event (the last idle worker took
 * a request, a connection came while none was idle, a worker became ready or ended, forking became possible again) and
 * when the time of the decision before is over.
 */
export function decideScaling(
  settings: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
): Decision {
  const sound = clampSettings(settings);
  const clamped = clampSnapshot(snapshot);
  switch (sound.pm) {
    case 'static':
      return fillStatic(sound, clamped, memory);
    case 'dynamic':
      return adapt(sound, clamped, memory, dynamicWish(sound), shrinkDynamic);
    case 'ondemand':
      return adapt(sound, clamped, memory, ONDEMAND_WISH, shrinkOndemand);
  }
}

/** Never shrinks, never warns, needs no clock: what is missing is forked when a worker ends. */
function fillStatic(settings: ScalingSettings, snapshot: PoolSnapshot, memory: ScalingMemory): Decision {
  const { mayFork, room } = snapshot;
  const workers = living(snapshot) + snapshot.leaving;
  const missing = mayFork ? decideStatic({ workers, maxChildren: settings.maxChildren }) : 0;
  const isRoomMissing = missing > room;
  return {
    fork: Math.min(missing, room),
    retire: [],
    endsZygote: false,
    isMaxChildrenReached: false,
    isRoomMissing,
    busy: undefined,
    callAgainInMs: isRoomMissing ? ROOM_RETRY_MS : undefined,
    watchQueue: false,
    wakeBelowIdle: 0,
    wantsIdleWorkers: false,
    memory: { ...memory, isFilled: memory.isFilled || mayFork },
  };
}

type Shrink = (
  settings: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
  growth: Growth,
) => Shrinkage;

function adapt(
  settings: ScalingSettings,
  snapshot: PoolSnapshot,
  memory: ScalingMemory,
  wish: Wish,
  shrink: Shrink,
): Decision {
  const growth = grow(settings, snapshot, memory, wish);
  const told = tell(memory.episodes, snapshot, growth);
  const shrinkage = shrink(settings, snapshot, memory, growth);
  const idleness = decideZygoteIdleness(settings, snapshot, memory);
  const attention = listen(snapshot, growth, {
    enough: Math.max(1, wish.spare),
    isMaxTold: told.episodes.isMaxTold,
    listenedAtMs: memory.listenedAtMs,
  });
  return {
    fork: growth.fork,
    retire: shrinkage.retire,
    endsZygote: idleness.endsZygote,
    isMaxChildrenReached: told.isMaxChildrenReached,
    isRoomMissing: growth.isRoomMissing,
    busy: settings.pm === 'dynamic' ? told.busy : undefined,
    callAgainInMs: soonest(
      growth.retryInMs,
      shrinkage.callAgainInMs,
      idleness.callAgainInMs,
      attention.callAgainInMs,
    ),
    watchQueue: attention.watchQueue,
    wakeBelowIdle: attention.wakeBelowIdle,
    wantsIdleWorkers: shrinkage.wantsIdleWorkers,
    memory: {
      isFilled: memory.isFilled || snapshot.mayFork,
      bucket: growth.bucket,
      episodes: told.episodes,
      window: shrinkage.window,
      dueAtMs: shrinkage.dueAtMs,
      emptySinceMs: idleness.emptySinceMs,
      listenedAtMs: attention.listenedAtMs,
    },
  };
}

/** A timer of Node takes less than 2^31 ms; one call a day costs nothing. */
const LONGEST_WAIT_MS: Milliseconds = 86_400_000;

function soonest(...times: readonly (Milliseconds | undefined)[]): Milliseconds | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known, LONGEST_WAIT_MS);
}
