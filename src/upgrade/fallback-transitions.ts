import { stay, type Transitions } from '../lifecycle/transitions.js';

/**
 * States of a process whose upgraded program could not start. A later one is never left for an earlier one.
 *
 * - serving: the workers of the former program serve, and the start is tried again every now and then
 * - finishing: QUIT or TERM; requests in hand end, without bound
 * - killing: INT or a second TERM; nothing is waited for any more
 */
export type FallbackState = 'serving' | 'finishing' | 'killing';

/** What the process does about a signal. */
export type FallbackAction = 'ignore' | 'try again' | 'finish' | 'kill';

export const FALLBACK_TRANSITIONS: Transitions<FallbackState, FallbackAction> = {
  serving: {
    SIGTERM: { next: 'finishing', action: 'finish' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: { next: 'finishing', action: 'finish' },
    // The master, which knows the log files, has given up.
    SIGUSR1: stay('serving'),
    SIGUSR2: { next: 'serving', action: 'try again' },
    SIGHUP: { next: 'serving', action: 'try again' },
  },
  finishing: {
    SIGTERM: { next: 'killing', action: 'kill' },
    SIGINT: { next: 'killing', action: 'kill' },
    SIGQUIT: stay('finishing'),
    SIGUSR1: stay('finishing'),
    SIGUSR2: stay('finishing'),
    SIGHUP: stay('finishing'),
  },
  killing: {
    SIGTERM: stay('killing'),
    SIGINT: stay('killing'),
    SIGQUIT: stay('killing'),
    SIGUSR1: stay('killing'),
    SIGUSR2: stay('killing'),
    SIGHUP: stay('killing'),
  },
};
