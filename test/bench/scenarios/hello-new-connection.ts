import { throughputScenario, WORKERS } from './throughput.js';

/** The cost of a request itself, as most sites run: nginx opens a connection for each. */
export const helloNewConnection = throughputScenario({
  name: 'hello-new',
  title: 'hello world, a new connection each',
  page: 'hello.php',
  expect: 'Hello, world!',
  connections: 2 * WORKERS,
  keepAlive: false,
  targets: [
    { metric: 'requestsPerSecond', atLeast: 1.15 },
    { metric: 'workerCpuUs', atMost: 0.8 },
  ],
});
