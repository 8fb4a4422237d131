import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf } from '../../../src/top/figures.js';
import { paint } from '../../../src/top/paint.js';
import { type ScreenSize, screenOf } from '../../../src/top/screen.js';
import { FIRST_VIEW, type View } from '../../../src/top/view.js';
import { HOSTILE, live, pool, worker } from './live-sample.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const SGR = /\x1b\[[0-9;]*m/g;
const USAGE = new Map([[11, { cpuPercent: 98.6, privateBytes: 25_165_824 }]]);
const POOLS = [pool('www', { listenQueue: 3, active: 4 }), pool('shop', { requests: 123_456, workers: [] })];

function shown(
  size: ScreenSize,
  {
    pools = POOLS,
    view = {},
    trouble,
  }: { pools?: typeof POOLS; view?: Partial<View>; trouble?: string } = {},
) {
  const before = live(
    0,
    pools.map((each) => ({ ...each, requests: each.requests - 50 })),
  );
  const figures = figuresOf(live(1000, pools), before, USAGE);
  return screenOf({ figures, view: { ...FIRST_VIEW, ...view }, size, trouble, clock: '22:14:03' });
}

const textOf = (screen: ReturnType<typeof shown>) => screen.lines.map((line) => paint(line, false).trimEnd());

test('at 80 columns all that matters is there', () => {
  assert.deepEqual(textOf(shown({ columns: 80, rows: 14 })), [
    'tsfpm 0.1.0, pid 4242, running for 26h, ready                           22:14:03',
    '2 pools, 5 of 8 workers busy, queue 3, 100 req/s, p50 -, p99 -, 24M',
    '',
    'POOL            BUSY  IDLE   MAX QUEUE  REQ/S    P50    P99  CPU%   MEM REQUESTS',
    'www                4     1     4     3   50.0      -      -    99   24M      100',
    'shop               1     1     4     0   50.0      -      -     -     -     123k',
    '',
    '    PID POOL      STATE  AGE  REQS  CPU%   MEM  TIMEv REQUEST',
    '     11 www       run   100s    10    99   24M   1.5s GET /page-11',
    '     12 www       idle  100s    10     -     -  5.0ms GET /page-12',
    '',
    '',
    '',
    'q quit  s sort: time  r reverse  / filter  p pool  i idle  +- every 2 s  ? help',
  ]);
});

for (const [columns, rows] of [
  [80, 24],
  [20, 5],
  [40, 1],
  [200, 60],
  [1, 3],
] as const)
  test(`${columns} x ${rows} are filled exactly, whatever there is to show`, () => {
    const many = Array.from({ length: 50 }, (_, i) =>
      pool(`pool-${i}`, { workers: [worker(i * 2 + 1), worker(i * 2 + 2)] }),
    );
    for (const view of [{}, { isTyping: true, filter: 'x' }, { showsHelp: true }, { scrolled: 1000 }])
      for (const pools of [many, POOLS, []]) {
        const { lines } = shown({ columns, rows }, { pools, view });
        assert.ok(lines.length <= rows);
        if (view.showsHelp !== true) assert.equal(lines.length, rows);
        for (const line of lines) assert.ok(paint(line, false).length <= Math.max(20, columns));
      }
  });

test('where there is no room for all pools, those with something to do are shown', () => {
  const pools = Array.from({ length: 30 }, (_, i) =>
    pool(`p${i}`, { active: 0, listenQueue: i === 20 ? 1 : 0 }),
  );
  const text = textOf(shown({ columns: 80, rows: 16 }, { pools })).join('\n');
  assert.match(text, /^p20 /m);
  assert.match(text, /\.\.\. and 27 more/);
});

test('scrolling goes to the last worker and no further', () => {
  const pools = [pool('www', { workers: Array.from({ length: 40 }, (_, i) => worker(i + 1)) })];
  const { page, scrolled } = shown({ columns: 80, rows: 20 }, { pools, view: { scrolled: 999 } });
  assert.equal(scrolled, 40 - page);
  assert.match(
    textOf(shown({ columns: 80, rows: 20 }, { pools, view: { scrolled: 999 } })).join('\n'),
    /page-40/,
  );
});

test('a pipe gets everything, without keys', () => {
  const pools = Array.from({ length: 60 }, (_, i) => pool(`p${i}`, { workersLeftOut: i === 0 ? 7 : 0 }));
  const text = textOf(shown({ columns: 100, rows: undefined }, { pools }));
  assert.equal(text.filter((line) => /^p\d/.test(line)).length, 60);
  assert.equal(text.filter((line) => /page-/.test(line)).length, 120);
  assert.equal(text.at(-1), '... and 7 more');
  assert.ok(!text.some((line) => line.includes('q quit')));
});

test('what is wrong is told without colours, too', () => {
  assert.match(
    textOf(shown({ columns: 80, rows: 20 }, { trouble: 'no master answers' }))[0] ?? '',
    /, no master answers/,
  );
  const typing = textOf(
    shown({ columns: 80, rows: 20 }, { view: { isTyping: true, filter: 'a', isPaused: true } }),
  );
  assert.equal(typing[2], 'filter: a_, paused');
  assert.match(
    textOf(shown({ columns: 80, rows: 20 }, { view: { filter: 'nothing' } })).join('\n'),
    /no such workers/,
  );
});

test('nothing that a client, a pool or another master says reaches the terminal as more than text', () => {
  const pools = [
    pool(HOSTILE, {
      trouble: HOSTILE,
      workers: [worker(1, { method: HOSTILE, uri: HOSTILE, script: HOSTILE })],
    }),
  ];
  const view = { filter: HOSTILE, pool: HOSTILE };
  for (const hasColour of [false, true]) {
    const painted = shown({ columns: 200, rows: 24 }, { pools, view, trouble: HOSTILE })
      .lines.map((line) => paint(line, hasColour))
      .join('');
    const bare = hasColour ? painted.replaceAll(SGR, '') : painted;
    assert.doesNotMatch(
      bare,
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
      /[\0-\x1f\x7f-\x9f\u2028\u202e\u200b]/,
    );
  }
});

test('without colours there is no code at all, with them each ends', () => {
  const { lines } = shown({ columns: 80, rows: 24 });
  assert.ok(lines.every((line) => !paint(line, false).includes('\x1b')));
  const painted = lines.map((line) => paint(line, true)).join('');
  assert.equal(painted.split('\x1b[').length - 1, 2 * (painted.split('\x1b[0m').length - 1));
  assert.ok(painted.includes('\x1b[31;1m    4\x1b[0m'));
});
