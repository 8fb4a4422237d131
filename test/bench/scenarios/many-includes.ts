import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pagesFolder, type Site } from '../site.js';
import { throughputScenario, WORKERS } from './throughput.js';

/** The loop in test/bench/pages/includes.php counts the same. */
const FILES = 300;

/** opcache does not keep files that changed in the last two seconds. */
const AGE_SECONDS = 3600;

function part(index: number): string {
  return `<?php

class Part${index}
{
    private array $options = ['name' => 'part ${index}', 'size' => ${index}, 'tags' => ['a', 'b', 'c']];

    public function __construct(private readonly int $weight = ${index})
    {
    }

    public function weight(): int
    {
        return $this->weight;
    }

    public function option(string $name, mixed $default = null): mixed
    {
        return $this->options[$name] ?? $default;
    }
}

return (new Part${index}())->weight();
`;
}

function writeParts(site: Site): void {
  const folder = pagesFolder(site, 'parts');
  const changed = Date.now() / 1000 - AGE_SECONDS;
  for (let index = 0; index < FILES; index++) {
    const path = join(folder, `part-${index}.php`);
    writeFileSync(path, part(index));
    utimesSync(path, changed, changed);
  }
}

/** What a framework does: many files, all from opcache. */
export const manyIncludes = throughputScenario({
  name: 'includes',
  title: `a page that includes ${FILES} files`,
  page: 'includes.php',
  expect: `Sum of the parts: ${(FILES * (FILES - 1)) / 2}`,
  connections: 2 * WORKERS,
  keepAlive: false,
  prepare: writeParts,
  async verify(bench) {
    const answer = await bench.fetch(join(bench.site.pages, 'opcache.php'));
    const cached = Number(/Cached scripts: (\d+)/.exec(answer ?? '')?.[1] ?? 0);
    return cached > FILES ? [] : [`opcache holds ${cached} scripts of more than ${FILES}`];
  },
});
