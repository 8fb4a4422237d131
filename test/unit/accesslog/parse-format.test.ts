import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { accessFormatMistake } from '../../../src/accesslog/parse-format.js';

const CLOSING = 'missing closing embrace in the access.format';

const CASES: readonly [format: string, mistake: string | undefined][] = [
  ['%R - %u %t "%m %r%Q%q" %s %f %{milli}d %{kilo}M %C%% %l %n %p %P %T', undefined],
  ['%', undefined],
  ['a%', undefined],
  ['%{TOTAL}C %{mili}d %{Megabytes}M %{X}e %{Y}o %{%Y}t', undefined],
  ['%{}t %{}R %{}C', undefined],
  ['%{a%{b}e', undefined],
  ['%z', 'Invalid token in the access.format (%z)'],
  ['%\u{1F600}', 'Invalid token in the access.format (%\u{1F600})'],
  ['%{a}x', 'Invalid token in the access.format (%x)'],
  ['%{a}', CLOSING],
  ['%{a', CLOSING],
  ['%{a}R', 'embrace is not allowed for modifier %R'],
  ['%{a}%', 'embrace is not allowed for modifier %%'],
  ['%e', 'the name of the environment variable must be set between embraces for %e'],
  ['%{}o', 'the name of the header must be set between embraces for %o'],
  ['%{a}C', "only 'total', 'user' or 'system' are allowed as a modifier for %C ('a')"],
  [
    '%{a}d',
    "only 'seconds', 'milli', 'milliseconds', 'micro' or 'microseconds' are allowed as a modifier for %d ('a')",
  ],
  [
    '%{a}M',
    "only 'bytes', 'kilo', 'kilobytes', 'mega' or 'megabytes' are allowed as a modifier for %M ('a')",
  ],
];

for (const [format, mistake] of CASES) {
  test(`'${format}' ${mistake === undefined ? 'is right' : 'is refused'}`, () =>
    assert.equal(accessFormatMistake(format), mistake));
}

test('any text is judged', () => {
  fc.assert(
    fc.property(fc.string(), (format) =>
      ['string', 'undefined'].includes(typeof accessFormatMistake(format)),
    ),
  );
});
