import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, askMaster } from '../control/client.js';
import type { ControlRequest } from '../control/protocol.js';
import { isControlStatus, statusTable } from '../control/status-table.js';
import type { ControlResult } from '../control/target.js';
import { EXIT_CANNOT_WRITE, EXIT_CONFIG, EXIT_OK, unreachable } from '../errors.js';
import { asSystemError } from '../os/libc.js';
import { isSameLife, type ProcessLife, processLife } from '../os/process-life.js';
import { terminalText } from '../text/harmless.js';
import type { Milliseconds, Pid } from '../units.js';
import { findControlSocket, whyNoControlSocket } from './control-socket.js';
import type { ControlOptions } from './options.js';

/** EX_UNAVAILABLE: no master answers. */
export const EXIT_UNAVAILABLE = 69;
/** EX_TEMPFAIL: the command began, and its result is not known. */
const EXIT_NO_OUTCOME = 75;
/** There is no such pool. */
const EXIT_NOT_DONE = 1;

/** How long to wait for the new program: one that could not start answers nobody, while the old workers serve on. */
const UPGRADE_PATIENCE_MS: Milliseconds = 60_000;
const POLL_EVERY_MS: Milliseconds = 50;

/** Where a command writes. Replaced in tests. */
export interface ControlOutput {
  readonly out: (line: string) => void;
  readonly error: (line: string) => void;
}

const STANDARD_OUTPUT: ControlOutput = {
  out: (line) => void process.stdout.write(`${line}\n`),
  error: (line) => void process.stderr.write(`tsfpm: ${line}\n`),
};

/**
 * The commands for a running master, such as `tsfpm reload`: sends the command and waits for its result.
 *
 * @returns the exit code, 0 only if the command was carried out
 */
export async function control(options: ControlOptions, output = STANDARD_OUTPUT): Promise<number> {
  const path = findControlSocket(options);
  if (path === undefined) {
    output.error(whyNoControlSocket(options));
    return EXIT_CONFIG;
  }
  return new Command(path, options, output).run();
}

/** One command, from its sending to its end. */
class Command {
  readonly #path: string;
  readonly #request: ControlRequest;
  readonly #isJson: boolean;
  readonly #output: ControlOutput;
  readonly #deadlineMs: Milliseconds;
  readonly #file: string | undefined;
  readonly #pool: string | undefined;

  constructor(path: string, options: ControlOptions, output: ControlOutput) {
    const { request, json, timeoutMs } = options;
    this.#file = options.output;
    this.#pool = options.pool;
    this.#path = path;
    this.#request = request;
    this.#isJson = json;
    this.#output = output;
    this.#deadlineMs = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  }

  async run(): Promise<number> {
    const answer = await this.#ask(this.#request);
    switch (answer.kind) {
      case 'unavailable':
        return this.#unavailable(answer.reason);
      case 'timeout':
        return this.#outOfTime(answer.master !== undefined);
      case 'lost':
        return this.#lost(answer.reason, answer.master.pid);
      case 'answered': {
        const code = this.#show(answer.result);
        const hasBegun = this.#request.verb === 'stop' && answer.result.ok;
        return hasBegun ? this.#untilEnded(answer.master.pid) : code;
      }
      default:
        return unreachable(answer);
    }
  }

  #ask(request: ControlRequest): Promise<Answer> {
    return askMaster({
      path: this.#path,
      request,
      tell: (line) => this.#tell(line),
      timeoutMs: this.#remainingMs,
    });
  }

  /** The connection ended without a result: expected after `stop` and `upgrade`, a crash for all others. */
  #lost(reason: string, master: Pid): Promise<number> | number {
    if (this.#request.verb === 'stop') return this.#untilEnded(master);
    if (this.#request.verb === 'upgrade') return this.#untilUpgraded(master);
    this.#output.error(`the master went away before it said how it ended: ${reason}`);
    return EXIT_UNAVAILABLE;
  }

  /** Watches the master until it has ended, which it cannot tell itself. */
  async #untilEnded(pid: Pid): Promise<number> {
    // 0 is a master in another pid namespace: all that can be seen from here is that its socket is removed.
    const life = pid === 0 ? undefined : processLife(pid);
    while (await this.#isStillThere(pid, life)) {
      if (this.#remainingMs === 0) return this.#outOfTime(true);
      await sleep(POLL_EVERY_MS);
    }
    this.#tell('the master has ended');
    return EXIT_OK;
  }

  async #isStillThere(pid: Pid, life: ProcessLife | undefined): Promise<boolean> {
    if (pid !== 0) return life !== undefined && isSameLife(life);
    const answer = await askMaster({
      path: this.#path,
      request: { verb: 'status' },
      tell: () => {},
      timeoutMs: this.#remainingMs,
    });
    return answer.kind !== 'unavailable';
  }

  /** The old program is replaced: asks the new one whether it serves, unless it could not start. */
  async #untilUpgraded(pid: Pid): Promise<number> {
    const deadlineMs = Math.min(this.#deadlineMs, performance.now() + UPGRADE_PATIENCE_MS);
    const life = pid === 0 ? undefined : processLife(pid);
    for (;;) {
      const answer = await this.#ask({ verb: 'upgraded' });
      if (answer.kind === 'answered') return this.#show(answer.result);
      if (answer.kind === 'timeout' || performance.now() > deadlineMs) return this.#outOfTime(true);
      if (life !== undefined && !isSameLife(life)) {
        this.#output.error('the master ended in the middle of the upgrade; its log says why');
        return EXIT_UNAVAILABLE;
      }
      await sleep(POLL_EVERY_MS);
    }
  }

  /** Time left until the timeout; undefined without a timeout. */
  get #remainingMs(): Milliseconds | undefined {
    const remaining = this.#deadlineMs - performance.now();
    return remaining === Number.POSITIVE_INFINITY ? undefined : Math.max(0, remaining);
  }

  #tell(line: string): void {
    // The counted stacks go to stdout, lines about progress to stderr.
    if (this.#request.verb === 'trace' && !this.#isJson) this.#output.error(terminalText(line));
    else this.#output.out(this.#isJson ? JSON.stringify({ line }) : terminalText(line));
  }

  #show(result: ControlResult): number {
    const { out } = this.#output;
    const { ok, exitCode, lines } = result;
    const data = this.#pool === undefined ? result.data : onlyPool(result.data, this.#pool);
    if (data === undefined && this.#pool !== undefined && ok) {
      this.#output.error(`there is no pool '${terminalText(this.#pool)}'; tsfpm status shows all`);
      return EXIT_NOT_DONE;
    }
    const folded = ok && this.#request.verb === 'trace' ? foldedStacks(data) : undefined;
    if (folded !== undefined && (this.#file !== undefined || !this.#isJson))
      return this.#showStacks(folded, result);
    if (this.#isJson) out(JSON.stringify(this.#request.verb === 'status' && ok ? data : { result }));
    else if (isControlStatus(data)) for (const line of statusTable(data)) out(line);
    else for (const line of lines) (ok ? out : this.#output.error)(terminalText(line));
    return exitCode;
  }

  #showStacks(stacks: readonly string[], { lines, exitCode }: ControlResult): number {
    for (const line of lines) this.#output.error(terminalText(line));
    if (this.#file === undefined) {
      for (const stack of stacks) this.#output.out(terminalText(stack));
      return exitCode;
    }
    try {
      writeFileSync(this.#file, stacks.map((stack) => `${terminalText(stack)}\n`).join(''));
      return exitCode;
    } catch (error) {
      this.#output.error(`cannot write ${this.#file}: ${asSystemError(error).reason}`);
      return EXIT_CANNOT_WRITE;
    }
  }

  #unavailable(reason: string): number {
    this.#output.error(`no master answers at ${this.#path}: ${reason}`);
    return EXIT_UNAVAILABLE;
  }

  #outOfTime(hasBegun: boolean): number {
    this.#output.error(
      hasBegun ? 'not done yet; the master goes on with it' : `nobody answers at ${this.#path} in time`,
    );
    return hasBegun ? EXIT_NO_OUTCOME : EXIT_UNAVAILABLE;
  }
}

/** @returns undefined where there is no such pool, or the answer is another one */
function onlyPool(data: unknown, name: string): unknown {
  if (!isControlStatus(data)) return undefined;
  const pools = data.pools.filter((pool) => pool.name === name);
  return pools.length === 0 ? undefined : { ...data, pools };
}

/** The stacks of `trace --sample`, or undefined for any other answer. */
function foldedStacks(data: unknown): string[] | undefined {
  const { folded } = (data ?? {}) as { folded?: unknown };
  return Array.isArray(folded) ? folded.map(String) : undefined;
}
