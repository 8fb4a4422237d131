import type { UncheckedGlobal } from './config.js';
import { fatal, type Problem } from './problem.js';

/** The names in `http.hosts`, separated by commas with blanks around them. */
export function hostNames(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Refuses what no request can ask for, such as a name with a port. */
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
