import { spawn } from 'node:child_process';
import { type Daemon, TSFPM } from './daemon.js';

export interface CommandEnd {
  readonly code: number | null;
  /** Output of both streams. */
  readonly stdout: string;
  /** Output of one stream each. */
  readonly out: string;
  readonly err: string;
}

const PATIENCE_MS = 60_000;

/** `tsfpm VERB` for a running daemon, to its end. */
export function tsfpmCommand(tsfpm: Daemon, verb: string, ...more: string[]): Promise<CommandEnd> {
  return runCommand([verb, '--config', tsfpm.folder.configFile, ...more]);
}

/** `tsfpm WORDS`, to its end. */
export function runCommand(words: readonly string[]): Promise<CommandEnd> {
  const child = spawn(process.execPath, [TSFPM, ...words], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
  });
  let [stdout, out, err] = ['', '', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stdout += chunk;
    err += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, out, err }));
  });
}
