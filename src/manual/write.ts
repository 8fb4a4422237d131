import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownVersion } from '../version.js';
import { commandPage } from './command-page.js';
import { directivesPage } from './directives-page.js';

// Writes the manual pages into a folder: node dist/src/manual/write.js FOLDER
const [, , folder] = process.argv;
if (folder === undefined) throw new Error('usage: node dist/src/manual/write.js FOLDER');
mkdirSync(folder, { recursive: true });
const version = ownVersion();
writeFileSync(join(folder, 'tsfpm.8'), commandPage(version));
writeFileSync(join(folder, 'tsfpm.conf.5'), directivesPage(version));
