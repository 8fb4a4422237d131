import assert from 'node:assert/strict';
import { test } from 'node:test';
import { confined } from '../helpers/confine.js';
import { startTsfpm } from '../helpers/daemon.js';
import { burst, DYNAMIC, ONDEMAND, SEEMS_BUSY, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { freePort } from '../helpers/two-pools.js';

/** As RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 has it, which is in many distributions' units. */
const NO_NETLINK = 'socket:0:16=EAFNOSUPPORT';
/** getsockopt(2) with TCP_INFO. */
const NO_TCP_INFO = 'getsockopt:2:11=EPERM';

const BURST = 24;
/** One after the other they would take 24 s. */
const GENEROUS_MS = 6000;

for (const settings of [ONDEMAND, DYNAMIC])
  for (const [kind, refuse] of [
    ['unix', NO_NETLINK],
    ['tcp', NO_TCP_INFO],
  ] as const)
    test(`${settings.pm}: a burst on a ${kind} socket is served at once though the kernel does not tell its queue`, async (t) => {
      const tsfpm = await startTsfpm(t, {
        command: confined({ refuse: [refuse] }),
        global: { log_level: 'debug' },
        pools: {
          www: { ...settings, ...(kind === 'tcp' ? { listen: `127.0.0.1:${await freePort()}` } : {}) },
        },
        files: { 'sleep.php': SLEEP_PHP },
      });
      tsfpm.announce(SEEMS_BUSY);
      const tookMs = await burst(tsfpm, { requests: BURST, ms: 1000 });
      assert.ok(tookMs < GENEROUS_MS, `the last answer came after ${tookMs} ms`);
      const forks = tsfpm.log.lines.filter((line) => /child [0-9]+ started/.test(line)).length;
      assert.ok(forks <= BURST + Number(settings['pm.max_spare_servers'] ?? 1), `${forks} forks`);
    });
