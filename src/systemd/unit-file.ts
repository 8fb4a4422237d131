/** Where the unit that is shipped says the program and its file are. */
const SHIPPED_PROGRAM = '/usr/bin/tsfpm';
const SHIPPED_CONFIG = '/etc/tsfpm.conf';

/** The search path that systemd gives to services. */
export const SERVICE_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export interface InstalledPlaces {
  /** Absolute path of the command. */
  readonly program: string;
  /** Absolute path of the configuration. */
  readonly config: string;
  /** Folder of node, where {@link SERVICE_PATH} leads to another node or to none. */
  readonly nodeFolder: string | undefined;
}

/** The unit that is shipped, with the paths of this installation. */
export function unitFor(shipped: string, { program, config, nodeFolder }: InstalledPlaces): string {
  // systemd.service(5), "Command lines": in arguments, not in the command itself, $ begins a variable.
  const argument = quoted(config.replaceAll('$', () => '$$'));
  const unit = shipped.replace(/^Exec\w+=.*$/gm, (line) =>
    line.replace(SHIPPED_PROGRAM, () => quoted(program)).replace(SHIPPED_CONFIG, () => argument),
  );
  if (nodeFolder === undefined) return unit;
  const path = quoted(`PATH=${[nodeFolder, ...SERVICE_PATH].join(':')}`);
  const lines = `[Service]\n# Where node is; systemd does not look there by itself.\nEnvironment=${path}\n`;
  return unit.replace(/^\[Service\]$/m, () => lines);
}

/** systemd.syntax(7), "Quoting"; % begins a specifier. */
function quoted(text: string): string {
  const plain = text.replaceAll('%', '%%');
  return /[\s"'\\;]/.test(plain) ? `"${plain.replace(/["\\]/g, '\\$&')}"` : plain;
}
