import assert from 'node:assert/strict';

// A reader of OpenMetrics 1.0 that refuses all that the standard forbids and we could get wrong.

export interface ParsedFamily {
  readonly name: string;
  type: string;
  help: string | undefined;
  unit: string | undefined;
  readonly samples: { name: string; labels: ReadonlyMap<string, string>; value: number }[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[n"\\])*)"(,|$)/y;
const ESCAPED = /^(?:[^\\]|\\[n"\\])*$/;
const NUMBER = /^(?:NaN|[+-]Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total', '_created'],
  gauge: [''],
  unknown: [''],
  info: ['_info'],
  histogram: ['_bucket', '_count', '_sum', '_created'],
};
const RESERVED = ['_total', '_created', '_bucket', '_count', '_sum', '_info'];

export function parseOpenMetrics(text: string): ParsedFamily[] {
  assert.ok(text.endsWith('\n'), 'the last line ends with a line feed');
  const lines = text.slice(0, -1).split('\n');
  assert.equal(lines.pop(), '# EOF');
  const families: ParsedFamily[] = [];
  for (const line of lines) {
    assert.ok(line !== '' && !line.includes('\r'), `no empty line and no CR: ${JSON.stringify(line)}`);
    if (line.startsWith('#')) {
      readMetadata(line, families);
    } else {
      readSample(line, families.at(-1));
    }
  }
  for (const family of families) checkFamily(family);
  checkNames(families);
  return families;
}

function readMetadata(line: string, families: ParsedFamily[]): void {
  const match = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line);
  assert.ok(match, `metadata: ${line}`);
  const [, what, name = '', text = ''] = match;
  assert.match(name, NAME);
  let family = families.at(-1);
  if (family?.name !== name) {
    family = { name, type: 'unknown', help: undefined, unit: undefined, samples: [] };
    families.push(family);
  }
  assert.equal(family.samples.length, 0, `${name}: metadata stands before the samples`);
  if (what === 'HELP') {
    assert.equal(family.help, undefined, `${name}: one HELP`);
    assert.match(text, ESCAPED);
    family.help = text;
  } else if (what === 'TYPE') {
    assert.ok(text in SUFFIXES, `${name}: type ${text}`);
    family.type = text;
  } else {
    assert.ok(name.endsWith(`_${text}`), `${name}: unit ${text}`);
    family.unit = text;
  }
}

function readSample(line: string, family: ParsedFamily | undefined): void {
  const match = SAMPLE.exec(line);
  assert.ok(match && family, `sample: ${line}`);
  const [, name = '', labelText, number = ''] = match;
  assert.match(number, NUMBER, line);
  const suffixes = SUFFIXES[family.type] ?? [];
  assert.ok(
    suffixes.some((suffix) => name === family.name + suffix),
    `${name} does not belong to the ${family.type} ${family.name}`,
  );
  const value = Number(number.replace('Inf', 'Infinity'));
  assert.ok(family.type !== 'counter' || value >= 0, line);
  family.samples.push({ name, labels: readLabels(labelText, line), value });
}

function readLabels(text: string | undefined, line: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  assert.notEqual(text, '', line);
  LABEL.lastIndex = 0;
  while (text !== undefined && LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    assert.ok(match, `labels: ${line}`);
    const [whole, name = '', value = '', comma] = match;
    assert.ok(!labels.has(name) && !name.startsWith('__'), line);
    assert.ok(comma === '' || LABEL.lastIndex < text.length, `trailing comma: ${line}`);
    assert.ok(whole.length > 0);
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    );
  }
  return labels;
}

function checkFamily(family: ParsedFamily): void {
  const seen = new Set<string>();
  for (const { name, labels } of family.samples) {
    const key = JSON.stringify([name, [...labels].sort()]);
    assert.ok(!seen.has(key), `${family.name}: twice ${key}`);
    seen.add(key);
  }
  if (family.type === 'histogram') checkHistogram(family);
}

/** Each pool's samples stand together: rising buckets that end in +Inf, which equals the count. */
function checkHistogram({ name, samples }: ParsedFamily): void {
  const groups = new Map<string, typeof samples>();
  let last = '';
  for (const sample of samples) {
    const labels = JSON.stringify([...sample.labels].filter(([label]) => label !== 'le'));
    assert.ok(labels === last || !groups.has(labels), `${name}: groups do not mix`);
    last = labels;
    groups.set(labels, [...(groups.get(labels) ?? []), sample]);
  }
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => labels.get('le') ?? '');
    assert.ok(
      bounds.every((bound) => bound === '+Inf' || /^\d+\.\d+$/.test(bound)),
      bounds.join(),
    );
    assert.equal(bounds.at(-1), '+Inf');
    const numbers = bounds.slice(0, -1).map(Number);
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    const counts = buckets.map(({ value }) => value);
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
    );
    assert.equal(group.find((sample) => sample.name === `${name}_count`)?.value, counts.at(-1));
    assert.ok((group.find((sample) => sample.name === `${name}_sum`)?.value ?? -1) >= 0);
  }
}

/** No family twice, and none whose samples could be taken for another's. */
function checkNames(families: readonly ParsedFamily[]): void {
  const owners = new Map<string, string>();
  for (const { name, type } of families) {
    assert.ok(!RESERVED.some((suffix) => name.endsWith(suffix)), `${name} ends in a reserved suffix`);
    for (const claimed of new Set([name, ...(SUFFIXES[type] ?? []).map((suffix) => name + suffix)])) {
      assert.ok(!owners.has(claimed), `${claimed} of ${name} is ${owners.get(claimed)}'s`);
      owners.set(claimed, name);
    }
  }
}
