import { spawnSync } from 'node:child_process';
import { errorText } from '../../src/errors.js';
import { NotAvailable } from '../php/archive.js';
import { Container } from './container.js';

/** @throws NotAvailable where this machine cannot make a container, with what is missing */
export function requirePrograms(): void {
  if (process.geteuid?.() !== 0) throw new NotAvailable('only root can boot a container');
  for (const program of ['systemd-nspawn', 'debootstrap', 'nsenter'])
    if (spawnSync(program, ['--help']).error !== undefined) throw new NotAvailable(`${program} is missing`);
}

/**
 * Nothing of ours runs in it yet: what fails is the machine's.
 *
 * @throws NotAvailable where the container does not come up
 */
export async function requireBoot(root: string, checkout: string): Promise<void> {
  try {
    const container = await Container.boot({ root, checkout, node: undefined });
    await container.halt();
  } catch (error) {
    throw new NotAvailable(`no container comes up: ${errorText(error)}`);
  }
}
