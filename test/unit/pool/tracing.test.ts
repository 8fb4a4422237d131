import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tracing } from '../../../src/pool/tracing.js';
import { CannotTrace } from '../../../src/slowlog/tracer.js';

function open({ phpVersion = undefined as string | undefined, isWanted = true } = {}) {
  const blind: string[] = [];
  const tracing = new Tracing({
    phpVersion: () => phpVersion,
    zygotePid: () => process.pid,
    isWanted,
    onBlind: (line) => void blind.push(line),
  });
  return { tracing, blind };
}

const isReason = (text: string) => (error: unknown) => error instanceof CannotTrace && error.message === text;
const THERE = { pid: process.pid, isThere: true };

test('a worker that has ended, or that the kernel does not know, is not traced', async () => {
  const { tracing } = open();
  await assert.rejects(tracing.trace(undefined, 20), isReason('it has ended'));
  await assert.rejects(tracing.trace({ pid: process.pid, isThere: false }, 20), isReason('it has ended'));
});

test('before its zygote is ready nobody knows the version of PHP', async () => {
  const { tracing } = open();
  await assert.rejects(tracing.trace(THERE, 20), isReason('its zygote is not ready'));
});

test('that backtraces cannot be had is told once, and only where slow requests are to be logged', () => {
  const { tracing, blind } = open({ phpVersion: '5.3.0' });
  tracing.checkOnce(process.pid);
  tracing.checkOnce(process.pid);
  assert.equal(blind.length, 1);
  assert.match(
    blind[0] ?? '',
    /^slow requests will be logged without a backtrace: the layout of PHP 5\.3\.0 /,
  );
  const unwanted = open({ phpVersion: '5.3.0', isWanted: false });
  unwanted.tracing.checkOnce(process.pid);
  assert.deepEqual(unwanted.blind, []);
});
