import { throughputScenario, WORKERS } from './throughput.js';

/** One connection for each worker: a worker serves one until it is closed. */
export const helloKeepAlive = throughputScenario({
  name: 'hello-keep',
  title: 'hello world, kept connections',
  page: 'hello.php',
  expect: 'Hello, world!',
  connections: WORKERS,
  keepAlive: true,
});
