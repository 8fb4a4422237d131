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

const said = (stream: 'stdout' | 'stderr', isDecorated = true) => ({
  pool: 'www',
  pid: 7,
  stream,
  isDecorated,
});

test('decorates worker output as php-fpm does', () => {
  const { log, sink } = open();
  log.output(said('stderr'), Buffer.from('a "b"\t'));
  log.output(said('stdout'), Buffer.from('c'), ', pipe is closed');
  log.output(said('stdout', false), Buffer.from('d'), ', pipe is closed');
  log.setLevel('debug');
  log.output(said('stderr'), Buffer.from('e'));
  assert.deepEqual(
    sink.lines.map((line) => line.replace(/^\[[^\]]*\] /, '')),
    [
      'WARNING: [pool www] child 7 said into stderr: "a "b"\t"\n',
      'WARNING: [pool www] child 7 said into stdout: "c", pipe is closed\n',
      'd\n',
      `WARNING: pid ${process.pid}, (null)(), line 0: [pool www] child 7 said into stderr: "e"\n`,
    ],
  );
});

test('a line of worker output is shorter than log_limit with all that stands around it', () => {
  const { log, sink } = open({ limit: 512 });
  for (const source of [said('stderr'), said('stdout', false)]) {
    log.output(source, Buffer.alloc(log.outputRoom(source), 'x'));
    assert.equal(sink.lines.at(-1)?.length, 512);
  }
});

test('a JSON object that a worker prints stays one in JSON, as it was written', () => {
  const { log, sink } = open({ format: 'json', limit: 512 });
  const object = `{"id": 12345678901234567890, "text": "${'x'.repeat(2000)}"}`;
  assert.ok(log.outputRoom(said('stderr')) > object.length);
  log.output(said('stderr'), Buffer.from(object));
  assert.ok(sink.lines[0]?.endsWith(`"pool":"www","pid":7,"stream":"stderr","data":${object}}\n`));
  assert.equal((sink.json[0]?.data as { text: string } | undefined)?.text.length, 2000);
  log.output(said('stderr', false), Buffer.from(object));
  assert.equal(sink.lines[1], `${object}\n`);
  for (const text of ['{"a":', '[1]', '{}x', '"{}"']) {
    log.output(said('stderr', false), Buffer.from(text));
    assert.equal(sink.json.at(-1)?.message, text);
  }
});

test('log_buffering = no is for php-fpm’s lines alone', () => {
  const { log } = open({ buffersOutput: false });
  assert.match(log.outputFrame(said('stderr'))?.head ?? '', /said into stderr: "$/);
  log.configure({ format: 'json' });
  assert.equal(log.outputFrame(said('stderr')), undefined);
  log.configure({ format: 'fpm', buffersOutput: true });
  assert.equal(log.outputFrame(said('stderr')), undefined);
});

test('writes worker output as it is, whatever the level', () => {
  const { log, sink } = open({ level: 'alert' });
  log.output(said('stderr'), Buffer.from('PHP Warning: é'));
  log.output(said('stdout'), Buffer.from([0xff, 0x00, 0x41]));
  log.raw('no newline');
  assert.deepEqual(
    sink.entries.map((entry) => Buffer.from(entry.line).toString('latin1')),
    ['PHP Warning: Ã©\n', '\u00ff\u0000A\n', 'no newline'],
  );
  assert.ok(sink.entries.every((entry) => entry.level === undefined));
});

test('names the worker of an output in JSON', () => {
  const { log, sink } = open({ level: 'alert', format: 'json' });
  log.output(said('stderr'), Buffer.from([0xff, 0x22, 0x41]));
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
  log.output(said('stderr'), Buffer.from('c'));
  log.configure({ format: 'json' });
  log.output(said('stderr'), Buffer.from('d'));
  assert.equal(file.lines.length, 4);
  assert.equal(terminal.lines.length, 1);
});

const WORKER = { pool: 'www', pid: 7, stream: 'stderr', isDecorated: true } as const;

test('what workers say together is one write, and other lines keep their place among it', () => {
  const { log, sink } = open();
  log.together(() => {
    log.output(WORKER, Buffer.from('a'));
    log.output(WORKER, Buffer.from('b'), ', pipe is closed');
    log.error('between');
    log.together(() => log.output({ ...WORKER, isDecorated: false }, Buffer.from('c')));
    log.raw('d\n');
  });
  const said = (text: string) => `WARNING: [pool www] child 7 said into stderr: ${text}\n`;
  assert.deepEqual(
    sink.lines.map((text) => text.replace(/^\[[^\]]{20}\] /gm, '')),
    [`${said('"a"')}${said('"b", pipe is closed')}`, 'ERROR: between\n', 'c\nd\n'],
  );
  assert.deepEqual(
    sink.entries.map(({ lines }) => lines),
    [2, undefined, 2],
  );
});

test('more than fits into one write is written in several, whole', () => {
  for (const format of ['fpm', 'json'] as const) {
    const { log, sink } = open({ format });
    const text = 'x'.repeat(700);
    log.together(() => {
      for (let i = 0; i < 1000; i++) log.output(WORKER, Buffer.from(`${i} ${text}`));
    });
    assert.ok(sink.entries.length > 1 && sink.entries.length < 10);
    const lines = sink.lines.join('').split('\n').slice(0, -1);
    assert.equal(lines.length, 1000);
    lines.forEach((line, i) => {
      assert.ok(line.includes(`${i} x`));
    });
  }
});

test('syslog gets each line that workers say together', () => {
  const texts: string[] = [];
  const sink = {
    isSyslog: true,
    write: ({ syslogText }: LogEntry) => void texts.push(syslogText),
    close() {},
  };
  const { log } = open({ sink });
  log.together(() => {
    log.output(WORKER, Buffer.from('a'));
    log.output(WORKER, Buffer.from('b'));
  });
  assert.deepEqual(texts, [
    '[WARNING] [pool www] child 7 said into stderr: "a"\n[WARNING] [pool www] child 7 said into stderr: "b"\n',
  ]);
});
