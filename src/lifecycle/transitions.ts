import type { Milliseconds } from '../units.js';

/**
 * The master's states. A later one is never left for an earlier one: terminating overrides finishing.
 *
 * - starting: sockets, zygotes; nobody is served yet
 * - running
 * - reloading: a new generation starts beside the one that serves
 * - finishing: QUIT; requests in hand end, without bound or within process_control_timeout
 * - terminating: TERM; requests in hand end within process_control_timeout
 * - killing: nothing is waited for any more
 */
export type MasterState = 'starting' | 'running' | 'reloading' | 'finishing' | 'terminating' | 'killing';

/** php-fpm's names of the states, for its lines at level DEBUG. */
export const STATE_NAMES: Readonly<Record<MasterState, string>> = {
  starting: 'normal',
  running: 'normal',
  reloading: 'reloading',
  finishing: 'finishing',
  terminating: 'terminating',
  killing: 'terminating',
};

/**
 * How long killed workers may take to end. After that their zygote, which would tell of it, does not answer: it is
 * killed too.
 */
export const ZYGOTE_PATIENCE_MS: Milliseconds = 2000;

/**
 * How long killed zygotes may take to end. After that nothing is waited for: the kernel ends a killed process, unless
 * it hangs in a driver. The end of a process without a zygote is known after two seconds at the latest.
 */
export const LAST_PATIENCE_MS: Milliseconds = 5000;

/** Signals that mean something to the master. */
export const MASTER_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const;
export type MasterSignal = (typeof MASTER_SIGNALS)[number];

/** What the master does about a signal. */
export type MasterAction =
  | 'ignore'
  /** let workers finish, then end; process_control_timeout bounds it where it is set */
  | 'finish'
  /** like `finish`, and kill at once where process_control_timeout is 0 */
  | 'terminate'
  | 'kill'
  | 'reopen logs'
  | 'reload'
  /** once the present reload or start is complete */
  | 'reload again';

/** Every state by every signal; a missing pair does not compile. */
export type Transitions<State extends string, Action> = Readonly<
  Record<State, Readonly<Record<MasterSignal, { readonly next: State; readonly action: Action }>>>
>;

/** A signal that means nothing in that state. */
export const stay = <State extends string>(next: State) => ({ next, action: 'ignore' }) as const;

export const TRANSITIONS: Transitions<MasterState, MasterAction> = {
  starting: {
    SIGTERM: { next: 'terminating', action: 'terminate' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: { next: 'finishing', action: 'finish' },
    SIGUSR1: { next: 'starting', action: 'reopen logs' },
    // The start may have read an older file: reload once it is complete.
    SIGUSR2: { next: 'starting', action: 'reload again' },
    SIGHUP: { next: 'starting', action: 'reload again' },
  },
  running: {
    SIGTERM: { next: 'terminating', action: 'terminate' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: { next: 'finishing', action: 'finish' },
    SIGUSR1: { next: 'running', action: 'reopen logs' },
    SIGUSR2: { next: 'reloading', action: 'reload' },
    SIGHUP: { next: 'reloading', action: 'reload' },
  },
  reloading: {
    SIGTERM: { next: 'terminating', action: 'terminate' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: { next: 'finishing', action: 'finish' },
    SIGUSR1: { next: 'reloading', action: 'reopen logs' },
    // The file may have changed since it was read: once more, after this one.
    SIGUSR2: { next: 'reloading', action: 'reload again' },
    SIGHUP: { next: 'reloading', action: 'reload again' },
  },
  finishing: {
    SIGTERM: { next: 'terminating', action: 'terminate' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: stay('finishing'),
    SIGUSR1: { next: 'finishing', action: 'reopen logs' },
    SIGUSR2: stay('finishing'),
    SIGHUP: stay('finishing'),
  },
  terminating: {
    SIGTERM: { next: 'killing', action: 'kill' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: stay('terminating'),
    SIGUSR1: { next: 'terminating', action: 'reopen logs' },
    SIGUSR2: stay('terminating'),
    SIGHUP: stay('terminating'),
  },
  killing: {
    SIGTERM: stay('killing'),
    SIGINT: stay('killing'),
    SIGQUIT: stay('killing'),
    SIGUSR1: { next: 'killing', action: 'reopen logs' },
    SIGUSR2: stay('killing'),
    SIGHUP: stay('killing'),
  },
};
