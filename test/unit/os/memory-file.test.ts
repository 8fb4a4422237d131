import assert from 'node:assert/strict';
import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { createMemoryFile } from '../../../src/os/memory-file.js';

test('makes a file of zeros whose size stays', () => {
  const fd = createMemoryFile('tsfpm-test', 4096);
  try {
    assert.equal(fstatSync(fd).size, 4096);
    assert.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' });
    assert.throws(() => ftruncateSync(fd, 8192), { code: 'EPERM' });
    writeSync(fd, Buffer.from('x'), 0, 1, 4095);
    const bytes = Buffer.alloc(4096);
    assert.equal(readSync(fd, bytes, 0, 4096, 0), 4096);
    assert.equal(bytes.lastIndexOf(0), 4094);
  } finally {
    closeSync(fd);
  }
});
