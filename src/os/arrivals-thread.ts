import { parentPort, workerData } from 'node:worker_threads';
import { waitEpoll } from './epoll.js';

// The body of the thread that arrivals.ts starts: it waits in epoll_wait and passes on at which
// sockets connections have arrived.

/** Arrivals within this time of one another are told once: a flood costs the master a thousand messages a second. */
const PAUSE_MS = 1;
/** Node can end a thread only between two calls: without a limit a crash of the master would wait here for ever. */
const LONGEST_WAIT_MS = 1000;

const { epollFd, stopFd } = workerData as { epollFd: number; stopFd: number };
const pause = new Int32Array(new SharedArrayBuffer(4));

// Tells that this program is loaded: whatever descriptors that took are open by now.
parentPort?.postMessage([]);
for (;;) {
  const ready = waitEpoll(epollFd, LONGEST_WAIT_MS).map(({ fd }) => fd);
  if (ready.includes(stopFd)) break;
  if (ready.length === 0) continue;
  parentPort?.postMessage(ready);
  Atomics.wait(pause, 0, 0, PAUSE_MS);
}
