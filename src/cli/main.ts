import { runMaster } from '../main.js';

// Stands in until the command line is parsed by options.ts.
const argv = process.argv.slice(2);
const at = argv.findIndex((word) => word === '--config' || word === '-y');
process.exitCode = await runMaster({
  file: argv[at + 1] ?? '/etc/tsfpm.conf',
  prefix: undefined,
  pidFile: undefined,
  isForeground: true,
  isStderrForced: argv.includes('-O'),
  allowRoot: argv.includes('-R'),
  php: {},
});
process.exit();
