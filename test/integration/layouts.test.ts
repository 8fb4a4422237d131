import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LOG_FIELD_KINDS } from '../../src/accesslog/record.js';
import * as keeping from '../../src/keeping/layout.js';
import * as layout from '../../src/scoreboard/layout.js';
import * as rings from '../../src/scoreboard/log-rings.js';
import * as frames from '../../src/zygote/control-frames.js';

/** dist/test/integration/ -> src/runtime/ */
const RUNTIME = fileURLToPath(new URL('../../../src/runtime/', import.meta.url));
const headerText = (name: string) => readFileSync(join(RUNTIME, name), 'utf8');

/** Compiles a program that prints each C expression, and gives what they are. */
function valuesInC(expressions: readonly string[]): Map<string, number> {
  const folder = mkdtempSync('/tmp/tsfpm-layout-');
  try {
    const source = [
      '#include <stdio.h>',
      '#include "scoreboard.h"',
      '#include "control.h"',
      '#include "log-ring.h"',
      '#include "hand-over.h"',
      'int main(void) {',
      ...expressions.map((text) => `printf("%llu\\n", (unsigned long long)(${text}));`),
      '}',
    ].join('\n');
    writeFileSync(join(folder, 'print.c'), source);
    const compiler = process.env.CC || 'cc';
    execFileSync(compiler, [
      '-std=c11',
      `-I${RUNTIME}`,
      '-o',
      join(folder, 'print'),
      join(folder, 'print.c'),
    ]);
    const printed = execFileSync(join(folder, 'print'), { encoding: 'utf8' }).trim().split('\n').map(Number);
    return new Map(expressions.map((text, i) => [text, printed[i] ?? Number.NaN]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Names of an enum's values without their common beginning: `TSFPM_FRAME_READY` is READY. */
function enumNames(header: string, enumName: string, prefix: string): string[] {
  const body = new RegExp(`enum ${enumName} \\{([^}]*)\\}`).exec(headerText(header))?.[1] ?? '';
  const code = body.replace(/\/\*.*?\*\//gs, '');
  return [...code.matchAll(new RegExp(`\\b${prefix}([A-Z_]+)\\s*=`, 'g'))].map(([, name]) => name ?? '');
}

const FIELD_SIZES = {
  u8: 1,
  u32: 4,
  i32: 4,
  u64: 8,
  'u64 buckets': 8 * layout.DURATION_BUCKETS,
  'u64 classes': 8 * layout.STATUS_CLASSES.length,
  bytes: layout.PARAMS_SIZE,
} as const;

for (const [struct, fields] of [
  ['tsfpm_scoreboard_header', layout.HEADER_FIELDS],
  ['tsfpm_slot', layout.SLOT_FIELDS],
] as const)
  test(`fields of struct ${struct} are where layout.ts says, and as long`, () => {
    const rows = Object.entries(fields).filter(([, { type }]) => type in FIELD_SIZES);
    const inC = valuesInC(
      rows.flatMap(([name]) => [
        `offsetof(struct ${struct}, ${name})`,
        `sizeof(((struct ${struct} *)0)->${name})`,
      ]),
    );
    assert.ok(rows.length > 5);
    for (const [name, { offset, type }] of rows) {
      assert.equal(offset, inC.get(`offsetof(struct ${struct}, ${name})`), `offset of ${name}`);
      assert.equal(
        FIELD_SIZES[type as keyof typeof FIELD_SIZES],
        inC.get(`sizeof(((struct ${struct} *)0)->${name})`),
        `size of ${name}`,
      );
    }
  });

test('sizes, versions and the magic number of the scoreboard are the same in C', () => {
  const expected: Record<string, number> = {
    TSFPM_SCOREBOARD_MAGIC: layout.SCOREBOARD_MAGIC,
    TSFPM_SCOREBOARD_VERSION: layout.SCOREBOARD_VERSION,
    TSFPM_HEADER_SIZE: layout.HEADER_SIZE,
    TSFPM_SLOT_SIZE: layout.SLOT_SIZE,
    'sizeof(struct tsfpm_slot)': layout.SLOT_SIZE,
    TSFPM_PARAMS_SIZE: layout.PARAMS_SIZE,
  };
  assert.deepEqual(Object.fromEntries(valuesInC(Object.keys(expected))), expected);
});

test('the rings of finished requests are where log-rings.ts says', () => {
  const expected: Record<string, number> = {
    'sizeof(struct tsfpm_log_board)': rings.LOG_BOARD_SIZE,
    'sizeof(struct tsfpm_log_index)': rings.LOG_INDEX_SIZE,
    'sizeof(struct tsfpm_log_record)': rings.LOG_RECORD_SIZE,
    TSFPM_LOG_RECORD_MAX: rings.LOG_RECORD_MAX,
    TSFPM_LOG_STAMP: rings.LOG_STAMP,
    'tsfpm_log_area_size(1, 0)': rings.logAreaSize(1, 0),
    'tsfpm_log_area_size(1, 4096)': rings.logAreaSize(1, 4096),
    'tsfpm_log_area_size(1000, 262144)': rings.logAreaSize(1000, 262144),
    'offsetof(struct tsfpm_log_record, status)': 12,
    'offsetof(struct tsfpm_log_record, start_epoch_us)': 16,
    'offsetof(struct tsfpm_log_record, duration_ns)': 24,
    'offsetof(struct tsfpm_log_record, memory_peak)': 32,
    'offsetof(struct tsfpm_log_record, cpu_user_us)': 40,
    'offsetof(struct tsfpm_log_record, cpu_system_us)': 48,
    ...Object.fromEntries(
      Object.entries(rings.LOG_INDEX_FIELDS).map(([name, offset]) => [
        `offsetof(struct tsfpm_log_index, ${name})`,
        offset,
      ]),
    ),
  };
  assert.deepEqual(Object.fromEntries(valuesInC(Object.keys(expected))), expected);
});

test('stages have the same numbers and names', () => {
  const names = enumNames('scoreboard.h', 'tsfpm_stage', 'TSFPM_STAGE_');
  const numbers = valuesInC(names.map((name) => `TSFPM_STAGE_${name}`));
  assert.equal(names.length, layout.STAGES.length);
  for (const name of names)
    assert.equal(
      layout.STAGES[numbers.get(`TSFPM_STAGE_${name}`) ?? -1],
      name.toLowerCase().replaceAll('_', ' '),
    );
});

test('a control frame has the same header, version and bounds', () => {
  const expected: Record<string, number> = {
    'sizeof(struct tsfpm_frame)': frames.FRAME_HEADER_SIZE,
    TSFPM_CONTROL_VERSION: frames.CONTROL_VERSION,
    TSFPM_TIME_OUT_SIGNAL: frames.TIME_OUT_SIGNAL,
    TSFPM_OUTPUT_CHUNK: frames.OUTPUT_CHUNK,
    TSFPM_ERRAND_MAGIC: frames.ERRAND_MAGIC,
    'sizeof(struct tsfpm_errand_answer)': frames.ERRAND_HEAD_SIZE,
    ...Object.fromEntries(
      Object.entries(frames.FRAME_FIELDS).map(([name, offset]) => [
        `offsetof(struct tsfpm_frame, ${name})`,
        offset,
      ]),
    ),
  };
  assert.deepEqual(Object.fromEntries(valuesInC(Object.keys(expected))), expected);
});

for (const [table, enumName, prefix] of [
  [frames.FRAME_TYPES, 'tsfpm_frame_type', 'TSFPM_FRAME_'],
  [frames.SETTING_KEYS, 'tsfpm_setting_key', 'TSFPM_SETTING_'],
  [LOG_FIELD_KINDS, 'tsfpm_log_field_kind', 'TSFPM_LOG_'],
  [frames.DESCRIPTORS, 'tsfpm_descriptor', 'TSFPM_FD_'],
] as const)
  test(`enum ${enumName} has the same names and numbers`, () => {
    const names = enumNames('control.h', enumName, prefix);
    const numbers = valuesInC(names.map((name) => prefix + name));
    assert.deepEqual(Object.fromEntries(names.map((name) => [name, numbers.get(prefix + name)])), {
      ...table,
    });
  });

test('the variables that mark a zygote have the same names', () => {
  assert.ok(headerText('control.h').includes(`#define TSFPM_ENV_MARK "${frames.ENV_MARK}"`));
  assert.ok(headerText('control.h').includes(`#define TSFPM_ENV_SAPI_NAME "${frames.ENV_SAPI_NAME}"`));
});

test("the keeper's page and packets are the same in C", () => {
  const expected: Record<string, number> = {
    TSFPM_KEEPER_PAGE_SIZE: keeping.PAGE_SIZE,
    'sizeof(struct tsfpm_hand_over)': keeping.HAND_OVER_SIZE,
    'sizeof(struct tsfpm_keeper_page)': keeping.PAGE_USED,
  };
  for (const [name, offset] of Object.entries(keeping.PAGE_FIELDS))
    expected[`offsetof(struct tsfpm_keeper_page, ${name})`] = offset;
  assert.deepEqual(Object.fromEntries(valuesInC(Object.keys(expected))), expected);
});
