import { throughputScenario, WORKERS } from './throughput.js';

/** What `hello-new` is, with a line of the access log for each request; php-fpm writes one, too. */
export const accessLog = throughputScenario({
  name: 'access-log',
  title: 'hello world, a new connection each, access log on',
  page: 'hello.php',
  expect: 'Hello, world!',
  connections: 2 * WORKERS,
  keepAlive: false,
  directives: { 'access.log': '{address}.access.log' },
  targets: [{ metric: 'requestsPerSecond', atLeast: 1.15 }],
});
