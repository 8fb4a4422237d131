import { spawnSync } from 'node:child_process';
import { EXIT_OK, EXIT_SOFTWARE } from '../errors.js';
import type { Milliseconds } from '../units.js';
import { withoutCgiVariables } from '../zygote/environment.js';
import { definedPhpCgi, type PhpOptions, phpOptionArguments } from '../zygote/php-arguments.js';
import { phpinfoText } from './phpinfo-text.js';

/** What is asked of PHP, and the options of `php-cgi` that answer it; -q leaves out the HTTP header. */
const QUESTIONS = { version: ['-v'], modules: ['-m'], info: ['-q', '-i'] } as const;

/** Loading all extensions takes a fraction of this on the slowest machine. */
const PATIENCE: Milliseconds = 30_000;
const LONGEST_ANSWER = 64 * 1024 * 1024;

/** How a program ended that was run to its end. */
export interface ProgramRun {
  readonly stdout: string;
  readonly stderr: string;
  /** `undefined` where it could not be run or did not end by itself; `failure` says why. */
  readonly status: number | undefined;
  readonly failure?: string;
}

export type RunProgram = (
  file: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
) => ProgramRun;

/** Where the answer comes from and goes to. */
export interface PhpInfoContext {
  readonly environment: NodeJS.ProcessEnv;
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Replaced in tests. */
  readonly run?: RunProgram;
}

/**
 * `-v`, `-m` and `-i`: asks the php-cgi of PATH, or the one of `-d php_cgi=FILE`, and prints the answer
 * as php-fpm's.
 *
 * @returns the exit code
 */
export function showPhp(question: keyof typeof QUESTIONS, php: PhpOptions, context: PhpInfoContext): number {
  const binary = definedPhpCgi(php) ?? 'php-cgi';
  const args = [...phpOptionArguments(php), ...QUESTIONS[question]];
  const run = (context.run ?? runProgram)(binary, args, withoutCgiVariables(context.environment));
  context.writeError(run.stderr);
  if (run.status !== 0) {
    const reason = run.failure ?? `it ended with code ${run.status}`;
    context.writeError(`tsfpm: cannot ask ${binary} about PHP: ${reason}\n`);
    return EXIT_SOFTWARE;
  }
  context.writeOut(asFpm(question, run.stdout));
  return EXIT_OK;
}

function asFpm(question: keyof typeof QUESTIONS, answer: string): string {
  switch (question) {
    case 'version':
      // Tools compare all of it: our own version is told by -h and `status`.
      return answer.replace('(cgi-fcgi)', '(fpm-fcgi)');
    case 'modules':
      return answer;
    case 'info':
      return asFpmInfo(phpinfoText(answer));
  }
}

/** The two places of the page in which php-fpm tells that it is php-fpm. */
function asFpmInfo(text: string): string {
  return text
    .replace(/^Server API => .*$/m, 'Server API => FPM/FastCGI')
    .replace(/^cgi-fcgi\n\n/m, 'cgi-fcgi\n\nphp-fpm => active\n\n');
}

const runProgram: RunProgram = (file, args, environment) => {
  const run = spawnSync(file, args, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: PATIENCE,
    maxBuffer: LONGEST_ANSWER,
  });
  return {
    stdout: run.stdout ?? '',
    stderr: run.stderr ?? '',
    status: run.status ?? undefined,
    ...(run.error === undefined ? {} : { failure: failureText(run.error) }),
    ...(run.error === undefined && run.signal !== null ? { failure: `it was ended by ${run.signal}` } : {}),
  };
};

function failureText(error: NodeJS.ErrnoException): string {
  return error.code === 'ENOENT' ? 'there is no such program; install the package php-cgi' : error.message;
}
