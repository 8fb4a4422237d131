/**
 * Offsets in bytes of what a backtrace needs, in builds of PHP without thread safety on 64-bit machines. Each row was
 * printed by test/fixtures/php-offsets.c from the headers of the version named above it. A test does so again if it
 * finds headers, in /usr/include/php or in the folders that TSFPM_PHP_HEADERS names.
 */
export interface PhpLayout {
  /** `zend_executor_globals` */
  readonly currentExecuteData: number;
  readonly oplineBeforeException: number;
  /** `zend_op_array`; before them all versions are alike, see below */
  readonly opcodes: number;
  readonly opcodeCount: number;
  readonly filename: number;
  /** `zend_generator`; undefined if not measured: generators that delegate are then left out */
  readonly generator:
    | { readonly executeData: number; readonly node: number; readonly executeFake: number }
    | undefined;
}

/** Offsets that are the same from PHP 7.4 to 8.5. */
export const EXECUTE_DATA = { opline: 0, func: 24, thisValue: 32, thisType: 40, prev: 48 } as const;
export const FUNCTION = { type: 0, name: 8, scope: 16 } as const;
export const CLASS_ENTRY = { name: 8 } as const;
export const STRING = { length: 16, value: 24 } as const;
export const OPCODE = { line: 24, size: 32 } as const;
export const GENERATOR_NODE = { parent: 0 } as const;

/** `zend_function.type` */
export const ZEND_INTERNAL_FUNCTION = 1;
export const ZEND_USER_FUNCTION = 2;
export const ZEND_EVAL_CODE = 4;
/** Bits of a frame's `This.u1.type_info`. */
export const ZEND_CALL_CODE = 1 << 16;
export const ZEND_CALL_TOP = 1 << 17;
export const ZEND_CALL_GENERATOR = 1 << 24;
export const IS_OBJECT = 8;

/** 8.0: adsr/phpspy's table for x86_64, which is made from debug symbols; the other versions: from headers. */
const LAYOUTS: Readonly<Record<string, PhpLayout>> = {
  // 7.4.33
  '7.4': {
    currentExecuteData: 488,
    oplineBeforeException: 880,
    opcodes: 64,
    opcodeCount: 60,
    filename: 136,
    generator: { executeData: 64, node: 160, executeFake: 200 },
  },
  '8.0': {
    currentExecuteData: 488,
    oplineBeforeException: 880,
    opcodes: 72,
    opcodeCount: 68,
    filename: 144,
    generator: undefined,
  },
  // 8.1.2
  '8.1': {
    currentExecuteData: 488,
    oplineBeforeException: 880,
    opcodes: 72,
    opcodeCount: 68,
    filename: 144,
    generator: { executeData: 56, node: 152, executeFake: 184 },
  },
  // 8.2.36
  '8.2': {
    currentExecuteData: 488,
    oplineBeforeException: 880,
    opcodes: 88,
    opcodeCount: 80,
    filename: 152,
    generator: { executeData: 56, node: 152, executeFake: 184 },
  },
  // 8.3.6
  '8.3': {
    currentExecuteData: 488,
    oplineBeforeException: 880,
    opcodes: 80,
    opcodeCount: 76,
    filename: 144,
    generator: { executeData: 56, node: 152, executeFake: 184 },
  },
  // 8.4.24
  '8.4': {
    currentExecuteData: 488,
    oplineBeforeException: 952,
    opcodes: 104,
    opcodeCount: 96,
    filename: 168,
    generator: { executeData: 56, node: 152, executeFake: 184 },
  },
  // 8.5.7
  '8.5': {
    currentExecuteData: 512,
    oplineBeforeException: 976,
    opcodes: 104,
    opcodeCount: 96,
    filename: 168,
    generator: { executeData: 56, node: 152, executeFake: 184 },
  },
};

export const KNOWN_VERSIONS: readonly string[] = Object.keys(LAYOUTS);

/** @param version as PHP_VERSION says it: `8.2.36-1+x` */
export function phpLayout(version: string): PhpLayout | undefined {
  const minor = /^(\d+\.\d+)\./.exec(version)?.[1];
  return minor !== undefined && Object.hasOwn(LAYOUTS, minor) ? LAYOUTS[minor] : undefined;
}
