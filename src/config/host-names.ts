import type { UncheckedGlobal } from './config.js';
import { fatal, type Problem } from './problem.js';

/** Of `http.hosts`: separated by commas, blanks around them do not count. */
export function hostNames(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Something else, such as a name with its port, would never be asked for. */
export function checkHostNames({ httpHosts }: UncheckedGlobal): Problem[] {
  return hostNames(httpHosts)
    .filter((name) => !/^[A-Za-z0-9._-]+$/.test(name))
    .map((name) =>
      fatal(`http.hosts: '${name}' is no host name; names are written without scheme, port and wildcards`, {
        directive: 'http.hosts',
        value: name,
      }),
    );
}
