import { notify } from './notify.js';
import type { NotifyEnvironment } from './notify-environment.js';

/**
 * Signs of life for a program that has taken over a running service and does not report yet, or cannot start: its
 * workers serve, so the watchdog must not end them.
 *
 * @returns ends them
 */
export function beatWatchdog(environment: NotifyEnvironment | undefined): () => void {
  if (environment?.watchdogMs === undefined) return () => {};
  const { socket, watchdogMs } = environment;
  const beat = () => void notify(socket, { watchdog: true });
  beat();
  const timer = setInterval(beat, watchdogMs / 2);
  timer.unref();
  return () => clearInterval(timer);
}
