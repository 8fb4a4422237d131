import { spawnSync } from 'node:child_process';
import { EXIT_OK, EXIT_SOFTWARE } from '../errors.js';
import type { Milliseconds } from '../units.js';
import { ownVersion } from '../version.js';
import { withoutCgiVariables } from '../zygote/environment.js';
import { definedPhpCgi, type PhpOptions, phpOptionArguments } from '../zygote/php-arguments.js';
import { phpinfoText } from './phpinfo-text.js';

/** What is asked of PHP, and the options of `php-cgi` that answer it; -q leaves out the HTTP header. */
const QUESTIONS = { version: ['-v'], modules: ['-m'], info: ['-q', '-i'] } as const;

/** Far longer than php-cgi takes to load all extensions. */
const PATIENCE: Milliseconds = 30_000;
const LONGEST_ANSWER = 64 * 1024 * 1024;

/** The result of a program. */
export interface ProgramRun {
  readonly stdout: string;
  readonly stderr: string;
  /** `undefined` if it could not be run or was killed; `failure` says why. */
  readonly status: number | undefined;
  readonly failure?: string;
}

export type RunProgram = (
  file: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
) => ProgramRun;

/** How PHP is asked, and where its answer goes. */
export interface PhpInfoContext {
  readonly environment: NodeJS.ProcessEnv;
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Replaced in tests. */
  readonly run?: RunProgram;
}

/**
 * `-v`, `-m` and `-i`: asks php-cgi (from PATH, or `-d php_cgi=FILE`), and prints the answer as php-fpm
 * would.
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
      // php-fpm's lines and no other: tools read them. Its last parentheses tell which program this is.
      return answer
        .replace('(cgi-fcgi)', '(fpm-fcgi)')
        .replace(/^(PHP .*)\)$/m, `$1; tsfpm ${ownVersion()})`);
    case 'modules':
      return answer;
    case 'info':
      return asFpmInfo(phpinfoText(answer));
  }
}

/** Puts php-fpm's name in the two places where the page has it. */
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
