import { closeSync } from 'node:fs';
import type { MasterLog } from '../log/master-log.js';
import { sendDescriptors } from '../os/descriptor-passing.js';
import { errorReason, systemFailure } from '../os/libc.js';
import { processMaps } from '../os/traced-memory.js';
import type { Count, Milliseconds, Pid } from '../units.js';
import { encodeFrame, type ZygoteMessage } from './control-frames.js';
import { exitText } from './exit-text.js';
import { Fingerprint } from './fingerprint.js';
import { openUnreachableSocket } from './stand-in.js';
import { READY_TIMEOUT_MS, Zygote, type ZygoteEnd } from './zygote.js';
import type { ProcessDescriptors, StartProcess } from './zygote-process.js';

export interface ForkListener {
  onForked(pid: Pid): void;
  onFailed(reason: string): void;
}

/** One that has not answered an order by then, or has not ended: fork() takes milliseconds. */
const ANSWER_TIMEOUT_MS: Milliseconds = 3000;
/** Orders on their way: a socket's buffer holds some hundred, and the system bounds descriptors on their way, too. */
const MOST_ORDERS: Count = 16;
const UNWANTED = 'it is not needed any more';

export interface TemplateListener {
  /** A line that php-cgi has printed while it started. */
  onLine(line: string): void;
  /** Called once; what is asked of it afterwards fails. */
  onEnd(): void;
}

export interface TemplateParts {
  /** Path of the php-cgi. */
  readonly binary: string;
  readonly start: StartProcess;
  readonly log: MasterLog;
}

interface Order {
  /** A template for that `opcache.share` is to be forked; undefined: a zygote. */
  readonly share: string | undefined;
  readonly descriptors: ProcessDescriptors;
  readonly listener: ForkListener;
}

/** The state of a template, from the start to its end. */
type State = 'starting' | 'ready' | 'ended';

/**
 * A php-cgi that has loaded everything and never serves, of which zygotes are forked. It is one life: what was asked of
 * it is answered in any case, by its end at the latest.
 */
export class Template {
  readonly #process: Zygote;
  readonly #waiting: Order[] = [];
  /** By the number that the order was sent with. */
  readonly #sent = new Map<number, Order>();
  #orderCount: Count = 0;
  #state: State = 'starting';
  #failure = '';
  #obstacle: string | undefined;
  /** Kills it. */
  #timer: NodeJS.Timeout | undefined;
  #isWanted = true;
  #startedFrom: Fingerprint | undefined;
  readonly #binary: string;
  readonly #listener: TemplateListener;
  #settleEnd: () => void = () => {};
  /** When its process is gone. */
  readonly ended: Promise<void>;

  /**
   * @throws SystemError where not even its socket can be made
   */
  constructor({ binary, start, log }: TemplateParts, listener: TemplateListener) {
    this.#binary = binary;
    this.#listener = listener;
    this.ended = new Promise((resolve) => {
      this.#settleEnd = resolve;
    });
    const fd = openUnreachableSocket();
    this.#killAfter(READY_TIMEOUT_MS, 'it was not ready');
    // It has neither pool nor workers: the places of their descriptors are filled with what it has anyway.
    const descriptors = { standInFd: fd, scoreboardFd: fd, listenFd: fd };
    this.#process = new Zygote(start, descriptors, {
      onMessage: (message) => this.#onMessage(message),
      together: (calls) => log.together(calls),
      onLine: (line) => this.#listener.onLine(line),
      onEnd: (end) => this.#onProcessEnd(end),
    });
    closeSync(fd);
  }

  get pid(): Pid | undefined {
    return this.#process.pid;
  }

  /** Every ini file that it has read, and every program file that it has loaded; undefined before it is ready. */
  get startedFrom(): Fingerprint | undefined {
    return this.#startedFrom;
  }

  /** What of it its forks would share; undefined where that was not the reason of its end. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /** Why it has ended. */
  get failure(): string {
    return this.#failure;
  }

  /**
   * Has a zygote forked, or a template. The descriptors stay open until the listener hears of it.
   *
   * @param share the `opcache.share` whose pools are forked from that template; undefined: a zygote
   */
  fork(descriptors: ProcessDescriptors, listener: ForkListener, share?: string): void {
    if (this.#state === 'ended') {
      listener.onFailed(this.#failure);
    } else {
      this.#waiting.push({ descriptors, listener, share });
      this.#sendOrders();
    }
  }

  /** It is not needed any more, and ends once it has answered what was asked of it. */
  end(): void {
    this.#isWanted = false;
    this.#endIfDone();
  }

  /** Ends it now, whatever was asked of it. */
  kill(): void {
    this.#isWanted = false;
    this.#failure ||= UNWANTED;
    this.#process.kill();
  }

  #endIfDone(): void {
    if (this.#isWanted || this.#waiting.length > 0 || this.#sent.size > 0) return;
    this.#failure ||= UNWANTED;
    if (this.#state === 'starting') this.#process.kill();
    else this.#process.hangUp();
    this.#killAfter(ANSWER_TIMEOUT_MS, 'it did not end');
  }

  #sendOrders(): void {
    while (this.#state === 'ready' && this.#sent.size < MOST_ORDERS) {
      const order = this.#waiting.shift();
      if (order === undefined) return;
      this.#sendOrder(order);
    }
  }

  #sendOrder(order: Order): void {
    const { standInFd, stdoutFd, stderrFd, controlFd, scoreboardFd, listenFd } = order.descriptors;
    const number = ++this.#orderCount;
    const own = this.#process.controlFd;
    try {
      if (own === undefined) throw new Error('its control channel is closed');
      // In the order of `places` in runtime/template.c.
      const fds = [standInFd, stdoutFd, stderrFd, controlFd, scoreboardFd, listenFd];
      const about = { slot: number };
      const frame =
        order.share === undefined
          ? encodeFrame('FORK_ZYGOTE', about)
          : encodeFrame('FORK_TEMPLATE', about, Buffer.from(order.share));
      sendDescriptors(own, frame, fds);
      this.#sent.set(number, order);
      if (this.#sent.size === 1) this.#awaitAnswer();
    } catch (error) {
      order.listener.onFailed(systemFailure(error) ?? String(error));
    }
  }

  #onMessage(message: ZygoteMessage): void {
    switch (message.type) {
      case 'ready':
        this.#startedFrom = new Fingerprint([
          this.#binary,
          ...message.php.iniFiles,
          ...loadedFiles(this.pid),
        ]);
        this.#state = 'ready';
        break;
      case 'cannot fork':
        this.#obstacle = message.reason;
        break;
      case 'forked':
        this.#takeOrder(message.slot)?.listener.onForked(message.pid);
        break;
      case 'fork failed':
        this.#takeOrder(message.slot)?.listener.onFailed(
          `fork() failed: ${errorReason(message.errno)} (${message.errno})`,
        );
        break;
      default: // it runs no code but ours
    }
    this.#sendOrders();
    this.#awaitAnswer();
    this.#endIfDone();
  }

  #takeOrder(number: number): Order | undefined {
    const order = this.#sent.get(number);
    this.#sent.delete(number);
    return order;
  }

  #awaitAnswer(): void {
    if (this.#state !== 'ready') return; // something else is awaited
    clearTimeout(this.#timer);
    if (this.#sent.size > 0) this.#killAfter(ANSWER_TIMEOUT_MS, 'it did not answer');
  }

  #killAfter(timeoutMs: Milliseconds, failure: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#failure ||= `${failure} within ${timeoutMs / 1000} s`;
      this.#process.kill();
    }, timeoutMs);
  }

  #onProcessEnd(end: ZygoteEnd): void {
    clearTimeout(this.#timer);
    this.#state = 'ended';
    this.#failure ||= endText(end);
    this.#settleEnd();
    this.#listener.onEnd();
    for (const { listener } of [...this.#sent.values(), ...this.#waiting.splice(0)])
      listener.onFailed(this.#failure);
    this.#sent.clear();
  }
}

/** Extensions and libraries: an update replaces their files. */
function loadedFiles(pid: Pid | undefined): string[] {
  const maps = pid === undefined ? '' : processMaps(pid);
  const paths = maps.split('\n').map((line) => / (?<path>\/.*\.so[.0-9]*)$/.exec(line)?.groups?.path ?? '');
  return [...new Set(paths.filter((path) => path !== ''))];
}

function endText(end: ZygoteEnd): string {
  switch (end.kind) {
    case 'not started':
    case 'broken protocol':
      return end.reason;
    default:
      return `it exited ${exitText(end)}`;
  }
}
