import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEntry } from '../../../src/slowlog/entry.js';
import { FoldedStacks } from '../../../src/slowlog/folded.js';

const ENTRY = {
  timeUs: new Date(2026, 10, 22, 11, 32, 9).getTime() * 1000,
  pool: 'www',
  pid: 5359,
  script: '/srv/app/slow.php',
  request: 'GET /slow.php?x=1',
  seconds: '5.000123',
};
const frame = (name: string, line: number) => ({
  address: 0x7f4753215620,
  name,
  calledFrom: { file: '/srv/app/slow.php', line },
});

test("an entry has php-fpm's form, with the request in a line of its own", () => {
  const backtrace = { frames: [frame('usleep', 2), frame('App::run', 9)], running: undefined, isCut: true };
  assert.equal(
    formatEntry({ ...ENTRY, backtrace }),
    `
[22-Nov-2026 11:32:09]  [pool www] pid 5359
script_filename = /srv/app/slow.php
request = "GET /slow.php?x=1" 5.000123 sec
[0x00007f4753215620] usleep() /srv/app/slow.php:2
[0x00007f4753215620] App::run() /srv/app/slow.php:9
`,
  );
});

test('where PHP code runs itself the place is told, and what has no caller is as in php-fpm', () => {
  const backtrace = {
    frames: [{ address: 16, name: 'ob', calledFrom: undefined }],
    running: { file: '/a.php', line: 3 },
    isCut: false,
  };
  assert.deepEqual(
    formatEntry({ ...ENTRY, backtrace })
      .split('\n')
      .slice(4),
    ['running = /a.php:3', '[0x0000000000000010] ob() unknown:0', ''],
  );
});

test("without a backtrace there are php-fpm's words for it", () => {
  assert.match(formatEntry({ ...ENTRY, backtrace: undefined }), / sec\n\+\+\+ dump failed\n$/);
});

test('stacks are counted from the outside in', () => {
  const stacks = new FoldedStacks();
  const busy = { frames: [frame('usleep', 1), frame('a;b', 2)], running: undefined, isCut: false };
  stacks.add('/s.php', busy);
  stacks.add('/s.php', busy);
  stacks.add('/s.php', { frames: [], running: { file: '/s.php', line: 1 }, isCut: false });
  stacks.add('/deep.php', { ...busy, isCut: true });
  assert.deepEqual(stacks.lines(), ['/deep.php;...;a:b;usleep 1', '/s.php 1', '/s.php;a:b;usleep 2']);
});

test('a script that makes up functions does not fill the memory', () => {
  const stacks = new FoldedStacks();
  for (let count = 0; count < 20_500; count++)
    stacks.add(`/${count}`, { frames: [], running: undefined, isCut: false });
  assert.equal(stacks.lines().length, 20_001);
  assert.ok(stacks.lines().includes('[other stacks] 500'));
});
