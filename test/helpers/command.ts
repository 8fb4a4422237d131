import { spawn } from 'node:child_process';
import { type Daemon, TSFPM } from './daemon.js';

export interface CommandEnd {
  readonly code: number | null;
  /** Of both streams. */
  readonly stdout: string;
}

const PATIENCE_MS = 60_000;

/** `tsfpm VERB` for a running daemon, to its end. */
export function tsfpmCommand(tsfpm: Daemon, verb: string, ...more: string[]): Promise<CommandEnd> {
  const child = spawn(process.execPath, [TSFPM, verb, '--config', tsfpm.folder.configFile, ...more], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
  });
  let stdout = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout }));
  });
}
