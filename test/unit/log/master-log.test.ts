import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMasterLog, type MasterLogOptions } from '../../../src/log/master-log.js';
import { createTeeSink, type LogEntry, type LogSink, type LostLines } from '../../../src/log/sinks.js';

class MemorySink implements LogSink {
  readonly entries: LogEntry[] = [];
  lost: LostLines | undefined;
  write(entry: LogEntry): void {
    this.entries.push(entry);
  }
  takeLostLines(): LostLines | undefined {
    const { lost } = this;
    this.lost = undefined;
    return lost;
  }
  close(): void {}
  get lines(): string[] {
    return this.entries.map((entry) => Buffer.from(entry.line).toString());
  }
  get json(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line));
  }
}

function open(more: Partial<MasterLogOptions> = {}) {
  const sink = new MemorySink();
  return { sink, log: createMasterLog({ level: 'notice', format: 'fpm', limit: 1024, sink, ...more }) };
}

const STAMP = /^\[\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\] /;

test('writes what reaches the level, in php-fpm format', () => {
  const { log, sink } = open();
  log.debug('a');
  log.notice('b', { pool: 'www' });
  log.setLevel('error');
  log.warning('c');
  log.alert('d');
  assert.match(sink.lines[0] ?? '', STAMP);
  assert.deepEqual(
    sink.lines.map((line) => line.replace(STAMP, '')),
    ['NOTICE: b\n', 'ALERT: d\n'],
  );
});

test('takes percent signs for themselves', () => {
  for (const format of ['fpm', 'json'] as const) {
    const { log, sink } = open({ format });
    log.notice('%s 100% %% %d %j %o');
    assert.ok(sink.lines[0]?.includes('%s 100% %% %d %j %o'));
  }
});

test('tells in debug which function wrote the line', () => {
  const { log, sink } = open({ level: 'debug' });
  function someFunction() {
    log.error('x');
  }
  someFunction();
  (() => log.debug('y'))();
  assert.match(
    sink.lines[0] ?? '',
    new RegExp(`\\.\\d{6}\\] ERROR: pid ${process.pid}, someFunction\\(\\), line \\d+: x\\n$`),
  );
  assert.match(sink.lines[1] ?? '', /DEBUG: pid \d+, master-log\.test\.js\(\), line \d+: y\n$/);
});

test('writes JSON lines with the facts beside the message', () => {
  const { log, sink } = open({ format: 'json' });
  log.warning('slow', { pool: 'www', pid: 12, ms: 3.5, isLast: true });
  const [line] = sink.json;
  assert.match(String(line?.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(
    { ...line, time: '' },
    {
      level: 'warning',
      time: '',
      pool: 'www',
      pid: 12,
      ms: 3.5,
      isLast: true,
      message: 'slow',
    },
  );
});

test('keeps hostile text inside its JSON line, whole', () => {
  const { log, sink } = open({ format: 'json' });
  const text = `a"\\\n\u0000\u001b\u2028}{"level":"alert"${'x'.repeat(5000)}`;
  log.error(text, { pool: text });
  assert.equal(sink.json[0]?.message, text);
  assert.equal(sink.json[0]?.pool, text);
  assert.match(sink.lines[0] ?? '', /^[^\n]+\n$/);
  log.error('\ud800');
  assert.equal(sink.json[1]?.message, '\ufffd');
});

test('writes worker output as it is, whatever the level', () => {
  const { log, sink } = open({ level: 'alert' });
  log.output({ pool: 'www', pid: 7, stream: 'stderr', text: 'PHP Warning: é' });
  log.output({ pool: 'www', pid: 7, stream: 'stdout', text: Buffer.from([0xff, 0x00, 0x41]) });
  log.raw('no newline');
  assert.deepEqual(
    sink.entries.map((entry) => Buffer.from(entry.line).toString('latin1')),
    ['PHP Warning: Ã©\n', '\u00ff\u0000A\n', 'no newline'],
  );
  assert.ok(sink.entries.every((entry) => entry.level === undefined));
});

test('names the worker of an output in JSON', () => {
  const { log, sink } = open({ level: 'alert', format: 'json' });
  log.output({ pool: 'www', pid: 7, stream: 'stderr', text: Buffer.from([0xff, 0x22, 0x41]) });
  assert.deepEqual(
    { ...sink.json[0], time: '' },
    {
      level: 'warning',
      time: '',
      pool: 'www',
      pid: 7,
      stream: 'stderr',
      message: '\ufffd"A',
    },
  );
  assert.equal(sink.entries[0]?.level, undefined);
});

test('changes format, level and sink while running', () => {
  const { log, sink } = open();
  const other = new MemorySink();
  log.configure({ format: 'json', level: 'debug', sink: other });
  log.debug('x');
  assert.equal(sink.entries.length, 0);
  assert.equal(other.json[0]?.level, 'debug');
  assert.equal(other.entries[0]?.threshold, 'debug');
  const { setLevel, setSink } = log;
  setLevel('notice');
  setSink(sink);
  log.debug('y');
  log.notice('z');
  assert.equal(sink.json[0]?.message, 'z');
});

test('tells of lost lines once, whatever the level', () => {
  const { log, sink } = open({ level: 'alert' });
  sink.lost = { count: 3, reason: 'No space left on device (28)' };
  log.alert('x');
  log.alert('y');
  assert.deepEqual(
    sink.lines.map((line) => line.replace(STAMP, '')),
    ['ALERT: x\n', 'ALERT: 3 lines of this log were lost: No space left on device (28)\n', 'ALERT: y\n'],
  );
});

test('doubles lines from NOTICE up while the start lasts', () => {
  const terminal = new MemorySink();
  const file = new MemorySink();
  const { log } = open({ level: 'debug', sink: createTeeSink(file, terminal) });
  log.debug('a');
  log.notice('b');
  log.output({ pool: 'www', pid: 7, stream: 'stderr', text: 'c' });
  log.configure({ format: 'json' });
  log.output({ pool: 'www', pid: 7, stream: 'stderr', text: 'd' });
  assert.equal(file.lines.length, 4);
  assert.equal(terminal.lines.length, 1);
});
