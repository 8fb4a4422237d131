import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where what tests bring along stays: as root for everybody, else in the user's own cache. */
export const CACHE = process.geteuid?.() === 0 ? '/var/cache/tsfpm' : join(homedir(), '.cache', 'tsfpm');
