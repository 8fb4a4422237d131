import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileProgram } from '../../helpers/c-program.js';

const HEADER = fileURLToPath(new URL('../../../../src/runtime/request-phase.h', import.meta.url));
const [, list = ''] =
  /^enum tsfpm_phase \{\n(.*?)^\s+TSFPM_PHASES,/ms.exec(readFileSync(HEADER, 'utf8')) ?? [];
const PHASES = [...list.matchAll(/TSFPM_PHASE_(\w+),/g)].map(([, name = '']) => name);

/** Arguments: a phase and the next, as names; or nothing, to print all steps. */
const MAIN = `
#include "request-phase.h"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    if (argc == 3) {
        tsfpm_request_phase = atoi(argv[1]);
        tsfpm_enter_phase((enum tsfpm_phase)atoi(argv[2]));
        return tsfpm_request_phase == atoi(argv[2]) ? 0 : 1;
    }
    for (unsigned present = 0; present <= TSFPM_PHASES; present++)
        for (unsigned next = 0; next <= TSFPM_PHASES; next++)
            if (tsfpm_phase_may_follow(next, present)) printf("%u %u\\n", present, next);
}`;

function readSteps(t: TestContext): Map<string, Set<string>> {
  const { stdout } = spawnSync(compileProgram(t, MAIN, ['request-phase.c']), { encoding: 'utf8' });
  const steps = new Map(PHASES.map((name) => [name, new Set<string>()]));
  for (const [, present, next] of stdout.matchAll(/^(\d+) (\d+)$/gm))
    steps.get(PHASES[Number(present)] ?? '')?.add(PHASES[Number(next)] ?? 'one that is none');
  return steps;
}

const BEGIN = 'NO_CLIENT CONNECTED ARRIVED RUNNING';
const STORIES = {
  'a request on a connection of its own': `${BEGIN} SHUT_DOWN ANSWERED DRAINED NO_CLIENT`,
  'two on a kept connection': `${BEGIN} SHUT_DOWN ANSWERED NEXT_ARRIVED RUNNING SHUT_DOWN ANSWERED NO_CLIENT`,
  'an END_REQUEST in three pieces': `${BEGIN} SHUT_DOWN ENDING ENDING ANSWERED`,
  'fastcgi_finish_request()': `${BEGIN} RUNNING_ANSWERED SHUT_DOWN_ANSWERED ANSWERED NEXT_ARRIVED RUNNING`,
  'a page, then a request': `${BEGIN} SHUT_DOWN PAGE_ANSWERED CONNECTED ARRIVED RUNNING`,
  'the end of a body, then a request': `NO_CLIENT CONNECTED ARRIVED ARRIVED RUNNING`,
  'the end of the last body, then a request': `${BEGIN} SHUT_DOWN ANSWERED NEXT_ARRIVED NEXT_ARRIVED RUNNING`,
  'params that PHP refuses': `${BEGIN} NO_CLIENT`,
  'a client that begins anew in its body': `${BEGIN} ARRIVED RUNNING SHUT_DOWN ARRIVED RUNNING DRAINED NO_CLIENT`,
  'a client that vanishes': `${BEGIN} SHUT_DOWN ENDING DRAINED NO_CLIENT`,
};

test('the phases of a request follow each other as requests go', (t) => {
  const steps = readSteps(t);
  for (const [story, text] of Object.entries(STORIES)) {
    const phases = text.split(' ');
    for (const [i, next] of phases.slice(1).entries())
      assert.ok(steps.get(phases[i] ?? '')?.has(next), `${story}: ${phases[i]}, then ${next}`);
  }
});

const NEVER = [
  ['NO_CLIENT', 'ARRIVED', 'RUNNING'],
  ['CONNECTED', 'RUNNING', 'ANSWERED'], // its start is noted first
  ['ARRIVED', 'SHUT_DOWN', 'ANSWERED'],
  ['RUNNING', 'ANSWERED', 'ENDING', 'PAGE_ANSWERED'], // PHP's request shutdown comes first
  ['RUNNING_ANSWERED', 'RUNNING', 'SHUT_DOWN', 'ANSWERED'], // an answer that was given is not taken back
  ['SHUT_DOWN', 'RUNNING', 'RUNNING_ANSWERED'],
  ['SHUT_DOWN_ANSWERED', 'ENDING', 'PAGE_ANSWERED'], // nothing of it is written
  ['ENDING', 'ARRIVED', 'RUNNING', 'NEXT_ARRIVED'],
  ['ANSWERED', 'RUNNING', 'CONNECTED', 'ARRIVED'], // whether an answer may be unread is not forgotten
  ['NEXT_ARRIVED', 'ARRIVED', 'CONNECTED', 'ANSWERED'],
  ['PAGE_ANSWERED', 'RUNNING', 'ARRIVED'], // its body is skipped first
] as const;

test('no step is allowed that no request takes', (t) => {
  const steps = readSteps(t);
  for (const [present, ...others] of NEVER)
    for (const next of others) assert.ok(!steps.get(present)?.has(next), `${present}, then ${next}`);
  assert.deepEqual([...(steps.get('DRAINED') ?? [])].sort(), ['DRAINED', 'NO_CLIENT']);
});

test('every phase is reached by some way, and a close ends it', (t) => {
  const steps = readSteps(t);
  const reached = new Set(['NO_CLIENT']);
  for (const phase of reached) for (const next of steps.get(phase) ?? []) reached.add(next);
  assert.deepEqual([...reached].sort(), [...PHASES].sort());
  for (const phase of PHASES.slice(1)) assert.ok(steps.get(phase)?.has('NO_CLIENT'), phase);
});

test('a checked build ends at a step that is not allowed, any other takes each as it comes', (t) => {
  const step = (source: string) => {
    const program = compileProgram(t, source, ['request-phase.c']);
    const phases = ['NO_CLIENT', 'RUNNING'].map((name) => String(PHASES.indexOf(name)));
    return spawnSync(program, phases, { encoding: 'utf8' });
  };
  const checked = step(`#define TSFPM_CHECK_PHASES\n${MAIN}`);
  assert.equal(checked.signal, 'SIGABRT');
  assert.match(checked.stderr, /phase 3 does not follow phase 0/);
  assert.equal(step(`#undef __SANITIZE_ADDRESS__\n${MAIN}`).status, 0);
});
