import { failureText } from '../os/libc.js';
import { onceATurn } from '../os/once-a-turn.js';
import type { Count } from '../units.js';
import { definedPhpCgi } from '../zygote/php-arguments.js';
import { checkPhpBinary, findPhpCgi } from '../zygote/php-binary.js';
import { startupOf } from '../zygote/startup.js';
import { workerSettings } from '../zygote/worker-settings.js';
import { Generation, type GenerationListener, type GenerationTools } from './generation.js';
import type { PoolPlan } from './plan.js';

export interface GenerationOrder {
  /** The pool: the same object for all its generations. */
  readonly pool: object;
  readonly plan: PoolPlan;
  /** From 1, one more for each generation of the pool. */
  readonly number: Count;
  /** {@link prove} will be called. */
  readonly isToProve: boolean;
}

/** Makes the generations of a pool. Tests replace those of php-cgi by others. */
export interface GenerationSource {
  /** Starts nothing. @returns why the pool's php-cgi cannot be used; undefined where it can */
  check(plan: PoolPlan): string | undefined;
  /**
   * A generation that is not started yet.
   *
   * @throws whatever keeps it from being made
   */
  create(order: GenerationOrder, tools: GenerationTools, listener: GenerationListener): Generation;
}

export const PHP_CGI: GenerationSource = {
  check(plan) {
    try {
      findBinary(plan);
      return undefined;
    } catch (error) {
      return failureText(error);
    }
  },

  create({ pool, plan, number, isToProve }, tools, listener) {
    const { config, environment, php, listenFd } = plan;
    const { libraryFd } = tools;
    const binary = findBinary(plan);
    const startup = startupOf({ config, environment, php, binary, libraryFd });
    return new Generation(
      {
        pool: config,
        number,
        binary,
        start: tools.zygoteStarts.start(pool, startup),
        settings: [...startup.lateSettings, ...workerSettings(plan)],
        listenFd,
        isToProve,
      },
      tools,
      listener,
    );
  },
};

/** Has a worker of it answer. @returns why none does; then the generation is told to end */
export async function prove(generation: Generation): Promise<string | undefined> {
  let failure: string | undefined = 'it cannot be proven';
  try {
    failure = await generation.prove();
  } finally {
    if (failure !== undefined) generation.drain();
  }
  return failure;
}

/** @throws Error that says why there is none, or why it cannot be used */
function findBinary({ config, php, environment }: PoolPlan): string {
  return usableBinary(config.phpCgi ?? definedPhpCgi(php), environment.PATH);
}

const usableBinary = onceATurn((name: string | undefined, searchPath: string | undefined) => {
  const binary = findPhpCgi(name, searchPath);
  checkPhpBinary(binary);
  return binary;
});
