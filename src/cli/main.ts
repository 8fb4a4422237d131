import { basename } from 'node:path';
import { EXIT_CANNOT_WRITE, EXIT_OK, EXIT_USAGE, unreachable } from '../errors.js';
import { commandHelp } from './command-help.js';
import { completionScript } from './completion.js';
import { takeDaemonMark } from './daemonize.js';
import { type CommandLine, parseCommandLine } from './options.js';
import { usageText } from './usage.js';

/** Modules are loaded when a verb needs them: `-v` needs neither the log nor system calls. */
async function obey(command: CommandLine, isDaemon: boolean): Promise<number> {
  switch (command.verb) {
    case 'help':
      process.stdout.write(
        command.command === undefined
          ? usageText(command.progName)
          : commandHelp(command.command, command.progName),
      );
      return EXIT_OK;
    case 'completion':
      process.stdout.write(completionScript(command.shell));
      return EXIT_OK;
    case 'usage-error':
      if (command.isCommand) process.stderr.write(`tsfpm: ${command.error.message}\n`);
      else process.stdout.write(usageText(command.progName));
      return EXIT_USAGE;
    case 'version':
    case 'modules':
    case 'info': {
      const { showPhp } = await import('./php-info.js');
      return showPhp(command.verb, command.php, {
        environment: process.env,
        writeOut: (text) => process.stdout.write(text),
        writeError: (text) => process.stderr.write(text),
      });
    }
    case 'test': {
      const { test } = await import('./test.js');
      return test(command);
    }
    case 'run': {
      const { run } = await import('./run.js');
      return run(command, isDaemon);
    }
    case 'serve': {
      const { serve } = await import('./dev.js');
      return serve(command.docroot, command.port);
    }
    case 'demo': {
      const { demo } = await import('./dev.js');
      return demo(command.port);
    }
    case 'control': {
      const { control } = await import('./control.js');
      return control(command);
    }
    case 'top': {
      const { top } = await import('./top.js');
      return top(command);
    }
    case 'unit': {
      const { unit } = await import('./unit.js');
      return unit(command.configFile);
    }
    default:
      return unreachable(command);
  }
}

let isOutputLost = false;

/** A reader that closes its pipe has seen what it wanted (`tsfpm status | head -1`): the command goes on to its end. */
function onOutputError({ code, message }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE' || isOutputLost) return;
  isOutputLost = true;
  process.stderr.write(`tsfpm: cannot write to standard output: ${message}\n`);
}

const [, script = 'tsfpm', ...argv] = process.argv;
const command = parseCommandLine(argv, basename(script));
// A master has its log, and deals with the failures of that.
if (command.verb !== 'run') {
  process.stdout.on('error', onOutputError);
  process.stderr.on('error', () => {});
}
const exitCode = await obey(command, takeDaemonMark());
// The command is done, even if handles are still open. Waits first until everything written to stdout has left.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(isOutputLost && exitCode === EXIT_OK ? EXIT_CANNOT_WRITE : exitCode);
