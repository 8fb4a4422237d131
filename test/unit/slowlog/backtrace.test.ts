import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeChain, isSameChain, readChain } from '../../../src/slowlog/backtrace.js';
import { backtraceText } from '../../../src/slowlog/entry.js';
import { BadMemory } from '../../../src/slowlog/memory.js';
import { EXECUTE_DATA, FUNCTION, STRING } from '../../../src/slowlog/php-layout.js';
import { escapedBytes } from '../../../src/text/harmless.js';
import { BASE, FakePhp, LAYOUT } from './fake-php.js';

const NESTED_CODE = 1 << 16;
const TOP_CODE = 3 << 16;

function backtrace(php: FakePhp, depth = 20) {
  const memory = php.look();
  return describeChain(memory, readChain(memory, php.globals, LAYOUT, depth), php.globals, LAYOUT, depth);
}
const textOf = (php: FakePhp, depth?: number) => backtraceText(backtrace(php, depth));

function withMain(): FakePhp {
  const php = new FakePhp();
  php.push(php.userFunction(undefined, '/srv/main.php'), 7, TOP_CODE);
  return php;
}

test('frames are named, and placed where they were called', () => {
  const php = withMain();
  php.push(php.userFunction('method', '/srv/a.php', php.classEntry('Shop\\Cart')), 3);
  php.push(php.internalFunction('array_map'));
  php.push(php.userFunction('{closure}', '/srv/a.php'), 5);
  php.push(php.userFunction(undefined, '/srv/inc.php'), 2, NESTED_CODE);
  php.push(php.internalFunction('query', php.classEntry('PDO')));
  assert.equal(
    textOf(php),
    'PDO::query() /srv/inc.php:2 < [INCLUDE_OR_EVAL]() /srv/a.php:5 < {closure}() /srv/a.php:3 < ' +
      'array_map() /srv/a.php:3 < Shop\\Cart::method() /srv/main.php:7',
  );
});

test('PHP code that runs itself is shown where it is, the main script too', () => {
  const php = withMain();
  assert.equal(textOf(php), '/srv/main.php:7');
  php.push(php.userFunction('busy', '/srv/b.php'), 9);
  assert.equal(textOf(php), '/srv/b.php:9 < busy() /srv/main.php:7');
});

test('without a script there is nothing, and what PHP calls by itself has no place', () => {
  const php = new FakePhp();
  assert.deepEqual(backtrace(php), { frames: [], running: undefined, isCut: false });
  php.push(php.internalFunction('ob_handler'));
  assert.equal(textOf(php), 'ob_handler() unknown:0');
});

test('an include that an internal function does is no main script', () => {
  const php = withMain();
  php.push(php.internalFunction('spl_autoload'));
  php.push(php.userFunction(undefined, '/srv/Class.php'), 1, TOP_CODE);
  assert.equal(
    textOf(php),
    '/srv/Class.php:1 < [INCLUDE_OR_EVAL]() /srv/main.php:7 < spl_autoload() /srv/main.php:7',
  );
});

test('no more frames than asked for', () => {
  const php = withMain();
  const recursive = php.userFunction('recurse', '/srv/r.php');
  for (let count = 0; count < 500; count++) php.push(recursive, 4);
  const { frames, isCut } = backtrace(php, 20);
  assert.deepEqual([frames.length, isCut], [20, true]);
  assert.equal(backtrace(php, 500).isCut, false);
});

test('the innermost opline may move on, any other frame may not', () => {
  const php = withMain();
  const outer = php.push(php.userFunction('outer', '/srv/a.php'), 3);
  const func = php.userFunction('inner', '/srv/a.php');
  const inner = php.push(func, 4);
  const read = () => readChain(php.look(), php.globals, LAYOUT, 20);
  const before = read();
  php.setPointer(inner + EXECUTE_DATA.opline, 0);
  assert.ok(isSameChain(before, read()));
  php.setPointer(outer + EXECUTE_DATA.opline, 0);
  assert.ok(!isSameChain(before, read()));
  const later = read();
  php.push(func, 1);
  assert.ok(!isSameChain(later, read()));
});

test('a chain that ends at what only PHP code calls was read in the middle of a call', () => {
  const GENERATOR = 1 << 24;
  const TOP = 1 << 17;
  const php = withMain();
  const read = () => readChain(php.look(), php.globals, LAYOUT, 20);
  assert.ok(!read().isTorn);
  const step = php.push(php.userFunction('step', '/srv/a.php'), 3);
  assert.ok(!read().isTorn);
  const main = php.bytes.readBigUInt64LE(step + EXECUTE_DATA.prev - BASE);
  php.setPointer(step + EXECUTE_DATA.prev, 0);
  assert.ok(read().isTorn, 'a call whose arguments are not all there');
  const outer = php.push(php.userFunction('outer', '/srv/a.php'), 3);
  assert.ok(read().isTorn, 'an argument of such a call');
  assert.equal(read().frames.length, 2, 'and it can be shown still');
  php.setPointer(outer + EXECUTE_DATA.prev, main);
  assert.ok(!read().isTorn, 'the next moment');
  php.setPointer(outer + EXECUTE_DATA.prev, 0);
  php.setU32(outer + EXECUTE_DATA.thisType, TOP);
  assert.ok(!read().isTorn, 'a shutdown function');
  php.setU32(outer + EXECUTE_DATA.thisType, TOP | GENERATOR);
  assert.ok(read().isTorn, 'a generator that is not linked yet');
  php.setPointer(outer + EXECUTE_DATA.func, 0);
  assert.ok(!read().isTorn, 'a frame for none');
});

test('a chain without PHP code being executed, or of more frames than are read, is whole', () => {
  const php = new FakePhp();
  assert.equal(readChain(php.look(), php.globals, LAYOUT, 20).isTorn, false);
  const recursive = php.userFunction('recurse', '/srv/r.php');
  for (let count = 0; count < 500; count++) php.push(recursive, 4);
  assert.equal(readChain(php.look(), php.globals, LAYOUT, 20).isTorn, false);
});

test('an opline of another function, as the JIT or an exception leaves it, gives no line', () => {
  const php = withMain();
  const frame = php.push(php.userFunction('jitted', '/srv/j.php'), 4);
  php.push(php.internalFunction('sleep'));
  assert.match(textOf(php), /^sleep\(\) \/srv\/j\.php:4 /);
  for (const opline of [0, 1, BASE, BASE + 5000, 0xffff_ffff_ffff]) {
    php.setPointer(frame + EXECUTE_DATA.opline, opline);
    assert.match(textOf(php), /^sleep\(\) \/srv\/j\.php:0 /, String(opline));
  }
});

test('hostile memory ends in an error, or in text of one line', () => {
  const cases: [string, (php: FakePhp, frame: number, func: number) => void][] = [
    ['a frame that is its own caller', (php, frame) => php.setPointer(frame + EXECUTE_DATA.prev, frame)],
    ['a caller outside', (php, frame) => php.setPointer(frame + EXECUTE_DATA.prev, 0x1000)],
    ['a caller at the end', (php, frame) => php.setPointer(frame + EXECUTE_DATA.prev, BASE + 64 * 4096 - 8)],
    ['no address at all', (php, frame) => php.setPointer(frame + EXECUTE_DATA.prev, 2n ** 64n - 1n)],
    ['a function outside', (php, frame) => php.setPointer(frame + EXECUTE_DATA.func, 0x1000)],
    ['a function of no type', (php, _frame, func) => (php.bytes[func - BASE + FUNCTION.type] = 9)],
    ['a name outside', (php, _frame, func) => php.setPointer(func + FUNCTION.name, 0x1000)],
    ['a class outside', (php, _frame, func) => php.setPointer(func + FUNCTION.scope, 0x1000)],
    ['a file outside', (php, _frame, func) => php.setPointer(func + LAYOUT.filename, 1)],
    [
      'opcodes outside',
      (php, frame, func) => {
        php.setPointer(func + LAYOUT.opcodes, 0x1000);
        php.setPointer(frame + EXECUTE_DATA.opline, 0x1000);
      },
    ],
  ];
  for (const [name, breakIt] of cases) {
    const php = withMain();
    const func = php.userFunction('f', '/srv/f.php', php.classEntry('C'));
    breakIt(php, php.push(func, 4), func);
    assert.throws(() => backtrace(php), BadMemory, name);
  }
});

test('a ring of frames ends', () => {
  const php = withMain();
  const first = php.push(php.userFunction('a', '/a'), 1);
  php.push(php.userFunction('b', '/b'), 1);
  const last = php.push(php.userFunction('c', '/c'), 1);
  php.setPointer(first + EXECUTE_DATA.prev, last);
  assert.throws(() => backtrace(php), BadMemory);
});

test('a name of any length is cut, one that lies of its length is refused', () => {
  const php = withMain();
  php.push(php.userFunction('n'.repeat(60_000), '/srv/f.php'), 1);
  const [frame] = backtrace(php).frames;
  assert.equal(frame?.name, `${'n'.repeat(512)}...`);
  const other = withMain();
  const name = other.string('f');
  const func = other.userFunction('f', '/f');
  other.setPointer(func + FUNCTION.name, name);
  other.setPointer(name + STRING.length, 2n ** 63n);
  other.push(func, 1);
  assert.equal(backtrace(other).frames[0]?.name, 'f', 'its NUL ends it');
});

test('names cannot forge a line or drive a terminal', () => {
  const php = withMain();
  const name = Buffer.from('f\n[22-Nov-2026 00:00:00]  [pool www] pid 1\u001b[2J\u2028\u0085', 'utf8');
  php.push(php.userFunction(name, Buffer.from([0x2f, 0xff, 0x0a, 0x61])), 1);
  php.push(php.internalFunction('sleep'));
  const text = textOf(php);
  assert.equal(
    text,
    'sleep() /\\xff\\x0aa:1 < f\\x0a[22-Nov-2026 00:00:00]  [pool www] pid 1\\x1b[2J\\xe2\\x80\\xa8\\xc2\\x85() /srv/main.php:7',
  );
  assert.equal(escapedBytes(Buffer.from('Größe\\Ünïcode')), 'Größe\\Ünïcode');
});

test('of an anonymous class the name is shown, not the file behind its NUL', () => {
  const php = withMain();
  php.push(php.userFunction('m', '/f', php.classEntry('Base@anonymous\0/srv/secret.php:3$0')), 1);
  assert.equal(backtrace(php).frames[0]?.name, 'Base@anonymous::m');
});

test('generators that delegate stand between the innermost and the caller', () => {
  const { executeData, node, executeFake } = LAYOUT.generator as NonNullable<typeof LAYOUT.generator>;
  const php = withMain();
  const caller = php.push(php.userFunction('consume', '/g.php'), 2);
  const objects = ['outer', 'middle', 'inner'].map((name, index) => {
    const object = php.allocate(executeFake + 80);
    php.setPointer(object + executeData, php.push(php.userFunction(name, '/g.php'), 3 + index));
    return object;
  });
  const [outer = 0, middle = 0, inner = 0] = objects;
  php.setPointer(outer + node, middle);
  php.setPointer(middle + node, inner);
  const innerFrame = Number(php.bytes.readBigUInt64LE(inner + executeData - BASE));
  const placeholder = outer + executeFake;
  php.setPointer(innerFrame + EXECUTE_DATA.prev, placeholder);
  php.setPointer(placeholder + EXECUTE_DATA.prev, caller);
  php.setPointer(placeholder + EXECUTE_DATA.thisValue, outer);
  php.setU32(placeholder + EXECUTE_DATA.thisType, 8);
  assert.equal(
    textOf(php),
    '/g.php:5 < inner() /g.php:4 < middle() /g.php:3 < outer() /g.php:2 < consume() /srv/main.php:7',
  );
  assert.ok(!readChain(php.look(), php.globals, LAYOUT, 20).isTorn);
  php.setPointer(placeholder + EXECUTE_DATA.prev, 0);
  assert.ok(readChain(php.look(), php.globals, LAYOUT, 20).isTorn, 'not linked to the caller yet');
  php.setPointer(inner + node, outer);
  assert.throws(() => textOf(php), BadMemory, 'generators in a ring');
});
