import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultConfigFile } from '../config/prefix.js';
import { EXIT_OK } from '../errors.js';
import { SERVICE_PATH, unitFor } from '../systemd/unit-file.js';

/** dist/src/cli/ -> conf/ */
const SHIPPED = fileURLToPath(new URL('../../../conf/tsfpm.service', import.meta.url));

/**
 * `tsfpm unit`: the unit for systemd with the paths of this installation, on stdout.
 *
 * @param configFile as the command line names it; undefined for the default file
 * @returns the exit code
 */
export function unit(configFile: string | undefined): number {
  const [node, program = 'tsfpm'] = process.argv;
  const places = {
    program: resolve(program),
    config: resolve(configFile ?? defaultConfigFile(undefined, existsSync)),
    nodeFolder:
      nodeOfServices() === realPath(process.execPath) ? undefined : dirname(node ?? process.execPath),
  };
  process.stdout.write(unitFor(readFileSync(SHIPPED, 'utf8'), places));
  return EXIT_OK;
}

/** The node that a service finds without being told where. */
function nodeOfServices(): string | undefined {
  return SERVICE_PATH.map((folder) => realPath(join(folder, 'node'))).find((path) => path !== undefined);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // it is not there
  }
}
