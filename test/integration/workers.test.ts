import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';

test('a script is answered', async (t) => {
  const tsfpm = await startTsfpm(t, { files: { 'index.php': '<?php echo "hello ", 6 * 7;' } });
  assert.equal(await tsfpm.get('index.php'), 'hello 42');
});
