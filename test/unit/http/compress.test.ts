import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { gzipped } from '../../../src/http/compress.js';

const LONG = Buffer.from('phpfpm_up 1\n'.repeat(1000));

test('a long body is compressed for who takes gzip', async () => {
  for (const header of ['gzip', 'deflate, gzip;q=0.5, br', 'GZIP ; q=1.0']) {
    const small = await gzipped(LONG, header);
    assert.ok(small !== undefined && small.length < LONG.length / 10, header);
    assert.deepEqual(gunzipSync(small), LONG);
  }
});

test('others get it as it is, and short ones too', async () => {
  for (const header of [undefined, '', 'identity', 'br', 'gzip;q=0', 'gzip;q=0.000', 'x-gzipped', '*'])
    assert.equal(await gzipped(LONG, header), undefined, header);
  assert.equal(await gzipped(Buffer.from('ok\n'), 'gzip'), undefined);
});
