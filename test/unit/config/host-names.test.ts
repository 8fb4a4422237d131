import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UncheckedGlobal } from '../../../src/config/config.js';
import { checkHostNames, hostNames } from '../../../src/config/host-names.js';

test('names are separated by commas', () => {
  assert.deepEqual(hostNames(' metrics.example.org,,other '), ['metrics.example.org', 'other']);
  assert.deepEqual([hostNames(undefined), hostNames('')], [[], []]);
});

test('what is no host name is an error that names it', () => {
  const problems = (httpHosts: string) =>
    checkHostNames({ httpHosts } as UncheckedGlobal).map(({ message }) => message);
  assert.deepEqual(problems('metrics.example.org, my_host, xn--bcher-kva.example'), []);
  for (const name of ['a:80', 'http://a', '*.example.org', '[::1]', 'two words'])
    assert.deepEqual(problems(`good.example, ${name}`), [
      `http.hosts: '${name}' is no host name; names are written without scheme, port and wildcards`,
    ]);
});
