import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { compileProgram } from '../../helpers/c-program.js';
import { PARAM_ENDS } from '../../helpers/param-records.js';

/** Each argument is a record's content in hexadecimal. Prints its pairs, and whether PHP takes the record. */
const MAIN = `
#include "params.h"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t length = strlen(argv[i]) / 2;
        uint8_t *content = malloc(length); /* of the exact size: the sanitizer sees a byte read beside it */
        for (size_t at = 0; at < length; at++) sscanf(argv[i] + 2 * at, "%2hhx", &content[at]);
        const uint8_t *at = content;
        struct tsfpm_text name, value;
        while (tsfpm_next_param(&at, content + length, &name, &value))
            printf("%.*s=%.*s ", (int)name.length, name.start, (int)value.length, value.start);
        puts(at == content + length ? "taken" : "refused");
        free(content);
    }
}`;

const hexadecimal = (content: Uint8Array) => Buffer.from(content).toString('hex');

test('a record of params is taken where PHP takes it', (t) => {
  const program = compileProgram(t, MAIN);
  for (const [name, { contents, isTaken }] of Object.entries(PARAM_ENDS)) {
    const { stdout, stderr, status } = spawnSync(program, contents.map(hexadecimal), { encoding: 'utf8' });
    assert.equal(status, 0, `${name}: ${stderr}`);
    assert.equal(!stdout.includes('refused'), isTaken, `${name}: ${stdout}`);
  }
});

test('names and values are those that were sent, and the pairs before a wrong one count', (t) => {
  const program = compileProgram(t, MAIN);
  const contents = [
    Buffer.from('\x01\x02Abc\x00\x01d\x01\x00E', 'latin1'),
    Buffer.from('\x01\x01Ab\x05', 'latin1'),
    Buffer.concat([Buffer.from('\x80\x00\x00\x01\x80\x00\x00\x90A', 'latin1'), Buffer.alloc(0x90, 'x')]),
    Buffer.alloc(0),
  ];
  const { stdout } = spawnSync(program, contents.map(hexadecimal), { encoding: 'utf8' });
  assert.deepEqual(stdout.trim().split('\n'), [
    'A=bc =d E= taken',
    'A=b refused',
    `A=${'x'.repeat(0x90)} taken`,
    'taken',
  ]);
});
