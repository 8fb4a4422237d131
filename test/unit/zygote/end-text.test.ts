import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndedZygote, lastWords, zygoteEndText } from '../../../src/zygote/end-text.js';
import type { ZygoteEnd } from '../../../src/zygote/zygote.js';

const ABOUT: EndedZygote = { binary: '/usr/bin/php-cgi', pid: 100, wasReady: true, lastLine: '' };
const CODE_1 = { kind: 'exited', code: 1 } as const;
const KILLED = { kind: 'signaled', signal: 9, isCoreDumped: false } as const;

const ENDS: [end: ZygoteEnd, about: Partial<EndedZygote>, text: string][] = [
  [
    { kind: 'not started', reason: 'spawn EACCES' },
    { pid: undefined, wasReady: false },
    "php-cgi '/usr/bin/php-cgi' cannot be started: spawn EACCES",
  ],
  [CODE_1, { wasReady: false }, "php-cgi '/usr/bin/php-cgi' exited with code 1 before it was ready"],
  [
    CODE_1,
    { wasReady: false, lastLine: 'no such option' },
    `php-cgi '/usr/bin/php-cgi' exited with code 1 before it was ready; its last words: "no such option"`,
  ],
  [CODE_1, {}, 'zygote 100 exited with code 1'],
  [KILLED, { lastLine: 'Bye' }, 'zygote 100 exited on signal 9 (SIGKILL); its last words: "Bye"'],
  [
    { kind: 'broken protocol', reason: 'READY twice' },
    { lastLine: 'Bye' },
    'zygote 100 broke the control protocol (READY twice) and was killed',
  ],
];

for (const [end, about, text] of ENDS)
  test(text, () => {
    assert.equal(zygoteEndText(end, { ...ABOUT, ...about }), text);
  });

test('who printed nothing has no last words', () => {
  assert.equal(lastWords(''), '');
});
