import { failureText } from '../os/libc.js';
import type { Count } from '../units.js';
import { zygoteEnvironment } from '../zygote/environment.js';
import { definedPhpCgi, phpArguments } from '../zygote/php-arguments.js';
import { checkPhpBinary, findPhpCgi } from '../zygote/php-binary.js';
import { workerSettings } from '../zygote/worker-settings.js';
import { Generation, type GenerationListener, type GenerationTools } from './generation.js';
import type { PoolPlan } from './plan.js';

export interface GenerationOrder {
  readonly plan: PoolPlan;
  /** From 1, one more for each generation of the pool. */
  readonly number: Count;
  /** {@link prove} will be called. */
  readonly isToProve: boolean;
}

/** Where a pool has its generations from. Tests put others in the place of those of php-cgi. */
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

  create({ plan, number, isToProve }, tools, listener) {
    const { config, environment, php, listenFd } = plan;
    return new Generation(
      {
        pool: config,
        number,
        binary: findBinary(plan),
        arguments: phpArguments(config, php),
        environment: zygoteEnvironment(config, environment),
        settings: workerSettings(plan),
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
  const binary = findPhpCgi(config.phpCgi ?? definedPhpCgi(php), environment.PATH);
  checkPhpBinary(binary);
  return binary;
}
