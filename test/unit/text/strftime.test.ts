import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { secondwise, strftime } from '../../../src/text/strftime.js';

const LETTERS = [...'aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYz%'];
/** Turns of years and weeks, leap days, midnight and noon. */
const SECONDS = [
  0, 951_782_400, 1_104_537_599, 1_104_537_600, 1_230_768_000, 1_262_304_000, 1_325_419_200, 1_456_704_000,
  1_483_228_800, 1_609_502_400, 1_709_208_000, 1_732_276_800, 1_735_689_599, 1_767_225_600, 1_782_000_000,
  4_102_444_799,
];

test('every conversion is what date(1) makes of it', () => {
  const format = LETTERS.map((letter) => `${letter}=%${letter}`).join('|');
  for (const second of SECONDS) {
    const zone = process.env.TZ;
    // Ours is asked letter by letter: php-fpm's buffer, and so ours, is short.
    const ours = LETTERS.map((letter) => `${letter}=${strftime(`%${letter}`, new Date(second * 1000))}`).join(
      '|',
    );
    const theirs = execFileSync('date', ['-d', `@${second}`, `+${format}`], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C', ...(zone === undefined ? {} : { TZ: zone }) },
    });
    assert.equal(ours, theirs.replace(/\n$/, ''));
  }
});

test('modifiers mean nothing, and what is no conversion stays as it is', () => {
  const date = new Date(2026, 10, 22, 3, 4, 5);
  assert.equal(strftime('%Ey %Od %Q %', date), '26 22 %Q %');
});

test('a text that is longer than php-fpm’s buffer is none', () => {
  const date = new Date(2026, 10, 22);
  assert.equal(strftime('x'.repeat(127), date).length, 127);
  assert.equal(strftime('x'.repeat(128), date), '');
});

test('a second’s text is made once and is that of its second; no date is no text', () => {
  const text = secondwise('%s');
  assert.deepEqual([1.5e6, 1.9e6, 2e6, 1e6, Number.NaN, 1e30].map(text), ['1', '1', '2', '1', '', '']);
});
