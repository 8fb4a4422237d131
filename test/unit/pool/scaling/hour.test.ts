import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ScalingSettings } from '../../../../src/pool/scaling/types.js';
import { burst, bursts, HOUR, irregular, MINUTE, regular, SECOND, settingsOf, wandering } from './loads.js';
import { type Course, type Request, randomFrom, type SimulationOptions, simulate } from './simulator.js';

// Hours of load in virtual time. The simulator itself checks each decision: caps, no fork beyond those who wait and the
// spare target, no busy worker retired, never below the spare maximum. Here are the bounds of each load.

const ADAPTIVE = ['dynamic', 'ondemand'] as const;
const ALL = ['static', ...ADAPTIVE] as const;

type Options = Omit<SimulationOptions, 'settings' | 'requests' | 'untilMs'> & {
  readonly untilMs?: number;
  readonly changes?: Partial<ScalingSettings>;
};

function run(pm: ScalingSettings['pm'], requests: Iterable<Request>, options: Options = {}): Course {
  const { untilMs = HOUR, changes, ...others } = options;
  const course = simulate({ settings: settingsOf(pm, changes), requests, untilMs, ...others });
  assert.deepEqual(course.violations, []);
  assert.ok(course.mostWorkers <= (changes?.maxChildren ?? 60));
  assert.equal(course.unserved, 0);
  return course;
}

const after = (times: readonly number[], ms: number): number => times.filter((time) => time > ms).length;
const longest = (latencies: readonly number[]): number => latencies.reduce((a, b) => Math.max(a, b), 0);

describe('50 requests of 1 s at once on a cold pool', () => {
  for (const pm of ADAPTIVE)
    test(`${pm}: the last is answered within 1.15 s, by no more workers than needed`, () => {
      const course = run(pm, burst(5 * SECOND, 50, SECOND), { untilMs: MINUTE });
      assert.equal(course.latenciesMs.length, 50);
      assert.ok(longest(course.latenciesMs) <= 1150, `${longest(course.latenciesMs)} ms`);
      assert.ok(longest(course.latenciesMs) <= 1010, 'a fork takes 3 ms at most');
      assert.ok(course.mostWorkers <= (pm === 'dynamic' ? 52 : 50));
    });

  for (const pm of ADAPTIVE)
    test(`${pm}: also where the kernel does not tell the queue`, () => {
      const course = run(pm, burst(5 * SECOND, 50, SECOND), { untilMs: MINUTE, tellsQueue: false });
      assert.ok(longest(course.latenciesMs) <= 1250, `${longest(course.latenciesMs)} ms`);
    });

  test('a spawn rate of 10 delays the last by 4 s, and no longer', () => {
    const course = run('dynamic', burst(5 * SECOND, 50, 10 * SECOND), {
      untilMs: MINUTE,
      changes: { maxSpawnRate: 10 },
    });
    const last = longest(course.latenciesMs);
    assert.ok(last > 13.5 * SECOND && last < 14.3 * SECOND, `${last} ms`);
  });
});

describe('after a burst', () => {
  for (const [pm, rest] of [
    ['dynamic', 4],
    ['ondemand', 0],
  ] as const)
    for (const idleTimeoutMs of [SECOND, 10 * SECOND, 5 * MINUTE])
      test(`${pm} shrinks to ${rest} in ${idleTimeoutMs} ms and not sooner, then needs no timer`, () => {
        const course = run(pm, burst(5 * SECOND, 50, SECOND), {
          untilMs: 10 * MINUTE,
          changes: { idleTimeoutMs },
        });
        const endMs = 6 * SECOND + idleTimeoutMs;
        const slackMs = 0.1 * idleTimeoutMs + 50;
        assert.equal(course.workersAt(endMs - 20), course.mostWorkers);
        assert.equal(course.workersAt(endMs + slackMs), rest);
        assert.deepEqual(course.end, { idle: rest, workers: rest, isTimerSet: false });
      });
});

describe('an hour of steady load', () => {
  for (const pm of ALL)
    test(`${pm}: no fork after the first minutes`, () => {
      const course = run(
        pm,
        regular(HOUR, 200, () => 40),
      );
      assert.equal(after(course.forksAtMs, 2 * MINUTE), 0);
      assert.equal(after(course.retiredAtMs, 2 * MINUTE), 0);
    });

  for (const pm of ADAPTIVE)
    test(`${pm}: irregular arrivals make it breathe, not pant`, () => {
      const course = run(
        pm,
        irregular(randomFrom(7), HOUR, 200, () => 30),
      );
      // A mean of 6 requests at the same time, now and then 18.
      assert.ok(course.mostWorkers <= 25, `${course.mostWorkers} workers`);
      assert.ok(course.forksAtMs.length <= 150, `${course.forksAtMs.length} forks`);
      assert.ok(longestWait(course, 0.999) < 5000);
    });

  test('dynamic: a pool that grew sheds what a trickle does not need, though each worker is used in turn', () => {
    const trickle = regular(HOUR, 20, () => 10);
    const course = run('dynamic', merge(burst(MINUTE, 50, SECOND), trickle));
    assert.ok(course.workersAt(2 * MINUTE) <= 5, `${course.workersAt(2 * MINUTE)} workers`);
    assert.equal(after(course.forksAtMs, 2 * MINUTE), 0);
  });

  for (const pm of ALL)
    test(`${pm}: workers that end by pm.max_requests are replaced as needed, without a warning each`, () => {
      const course = run(
        pm,
        regular(10 * MINUTE, 150, () => 50),
        { untilMs: 10 * MINUTE, maxRequests: 20, changes: { maxChildren: 8 } },
      );
      assert.ok(course.forksAtMs.length <= 10 * 60 * 50 * (1 / 20) + 10);
      assert.ok(course.maxReachedAtMs.length <= 5, `${course.maxReachedAtMs.length} warnings`);
    });
});

describe('an hour of changing load', () => {
  for (const pm of ADAPTIVE) {
    test(`${pm}: bursts closer than the timeout are met by the workers of the first`, () => {
      const course = run(pm, bursts(5 * SECOND, HOUR - MINUTE, 40, 500));
      assert.ok(course.forksAtMs.length <= 60, `${course.forksAtMs.length} forks`);
      assert.equal(after(course.forksAtMs, MINUTE), 0);
      assert.ok(course.busyAtMs.length <= 1);
    });

    test(`${pm}: so are short ones that no look of the timer sees`, () => {
      const course = run(pm, bursts(700, HOUR - MINUTE, 40, 30));
      assert.equal(after(course.forksAtMs, MINUTE), 0);
    });

    test(`${pm}: bursts far apart cost one growth and one shrinking each`, () => {
      const course = run(pm, bursts(MINUTE, HOUR - MINUTE, 40, 500));
      assert.ok(course.forksAtMs.length <= 59 * 41 + 2, `${course.forksAtMs.length} forks`);
      assert.ok(longest(course.latenciesMs) <= 510);
      assert.ok(course.busyAtMs.length <= 59);
    });

    test(`${pm}: a sawtooth shorter than the timeout does not oscillate`, () => {
      const sawtooth = (ms: number): number => 10 + 90 * ((ms % (8 * SECOND)) / (8 * SECOND));
      const course = run(pm, regular(HOUR, 300, sawtooth));
      assert.equal(after(course.forksAtMs, 2 * MINUTE), 0);
    });

    test(`${pm}: a ramp forks about as many as its height, and shrinks after`, () => {
      const ramp = (ms: number): number => Math.max(0, 1 - Math.abs(ms / (30 * MINUTE) - 1)) * 150;
      const course = run(pm, regular(HOUR - 2 * MINUTE, 300, ramp));
      assert.ok(course.mostWorkers >= 45 && course.mostWorkers <= 50, `${course.mostWorkers} workers`);
      assert.ok(course.forksAtMs.length <= 60, `${course.forksAtMs.length} forks`);
      assert.equal(course.end.workers, pm === 'dynamic' ? 4 : 0);
    });

    test(`${pm}: flapping around the spare limits has few forks`, () => {
      // 1 to 6 requests at the same time, around the spare minimum and maximum, changing each 3 s.
      const flap = (ms: number): number => (Math.floor(ms / (3 * SECOND)) % 2 === 0 ? 2 : 12);
      const course = run(pm, regular(HOUR, 480, flap));
      assert.ok(course.forksAtMs.length <= 8, `${course.forksAtMs.length} forks`);
    });

    test(`${pm}: flapping slower than the timeout forks at most the difference each time`, () => {
      const flap = (ms: number): number => (Math.floor(ms / (30 * SECOND)) % 2 === 0 ? 2 : 12);
      const course = run(pm, regular(HOUR, 480, flap));
      assert.ok(course.forksAtMs.length <= 60 * 5, `${course.forksAtMs.length} forks`);
    });

    test(`${pm}: a rate that wanders`, () => {
      const random = randomFrom(11);
      const course = run(pm, irregular(random, HOUR, 150, wandering(random, 5, 150)));
      assert.ok(course.forksAtMs.length <= 600, `${course.forksAtMs.length} forks`);
      assert.ok(longestWait(course, 0.999) < 2000);
    });

    test(`${pm}: requests of minutes among short ones are never cut off`, () => {
      const long = bursts(7 * MINUTE, HOUR - 10 * MINUTE, 10, 3 * MINUTE);
      const short = regular(HOUR - MINUTE, 50, () => 5);
      const course = run(pm, merge(long, short));
      assert.equal(course.latenciesMs.filter((ms) => ms >= 3 * MINUTE).length, 70);
      assert.ok(course.forksAtMs.length <= 7 * 11 + 20, `${course.forksAtMs.length} forks`);
    });

    test(`${pm}: more than pm.max_children can serve is told once, and its queue is served`, () => {
      const course = run(pm, bursts(30 * MINUTE, 30 * MINUTE, 500, SECOND));
      assert.equal(course.mostWorkers, 60);
      assert.equal(course.maxReachedAtMs.length, 1);
      assert.ok(longest(course.latenciesMs) <= 9 * SECOND + 50);
    });

    test(`${pm}: without the lowest number of idle workers it is still bounded`, () => {
      const course = run(pm, bursts(700, HOUR - MINUTE, 40, 30), { tellsLowestIdle: false });
      assert.ok(course.forksAtMs.length <= 41 * 360, `${course.forksAtMs.length} forks`);
    });
  }
});

test('an idle pool is left alone', () => {
  for (const pm of ALL) {
    const course = run(pm, []);
    assert.ok(course.decisions <= 70, `${pm}: ${course.decisions} decisions`);
    assert.equal(course.end.isTimerSet, false);
    assert.equal(course.forksAtMs.length, { static: 60, dynamic: 2, ondemand: 0 }[pm]);
  }
});

test('the same seed is the same course', () => {
  for (const pm of ALL) {
    const once = (): Course =>
      run(
        pm,
        irregular(randomFrom(3), 5 * MINUTE, 100, () => 60),
        { untilMs: 5 * MINUTE + 10 * SECOND, seed: 9 },
      );
    const { workersAt: _, ...first } = once();
    const { workersAt: __, ...second } = once();
    assert.deepEqual(first, second);
  }
});

test('the master looks at most some hundred times a second at a busy pool that needs nothing', () => {
  for (const pm of ADAPTIVE) {
    const course = run(
      pm,
      regular(MINUTE, 5, () => 2000),
      { untilMs: MINUTE + SECOND },
    );
    assert.ok(course.decisions <= 60 * 420, `${pm}: ${course.decisions} decisions`);
  }
});

/** The share of requests given is served within this time. */
function longestWait({ latenciesMs }: Course, share: number): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}

function merge(...loads: readonly Iterable<Request>[]): Request[] {
  return loads.flatMap((load) => [...load]).sort((a, b) => a.atMs - b.atMs);
}
