import { spawn } from 'node:child_process';
import { TSFPM } from '../helpers/daemon.js';

/** `tsfpm reload`, to its end: 0 once the new generation serves. */
export function reloadCommand(
  config: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [TSFPM, 'reload', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
