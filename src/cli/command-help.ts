import type { Command } from 'commander';
import {
  type CommandName,
  createCompletionCommand,
  createControlCommand,
  createServerCommand,
  createTopCommand,
  createUnitCommand,
} from './program.js';
import { describe } from './usage.js';

/** What a command does, for its own help; the options come from the same table as those of the usage text. */
const ABOUT: Readonly<Record<CommandName, { readonly text: string; readonly example: string }>> = {
  serve: {
    text: 'Shows a directory by a small web server with PHP. For development only.',
    example: 'serve public --port 8000',
  },
  demo: { text: 'Shows a page that PHP makes, by a small web server.', example: 'demo --port 8000' },
  status: {
    text: 'Shows the master and its pools: workers, queue, requests. Exit code 0 if a master answers, else 69.',
    example: 'status --pool www --json',
  },
  reload: {
    text: 'Reads the configuration again. A broken file changes nothing.',
    example: 'reload -y /etc/tsfpm.conf',
  },
  stop: { text: 'Ends the master once its requests have ended.', example: 'stop --terminate --timeout 30' },
  reopen: { text: 'Opens the log files again, after they were moved away.', example: 'reopen' },
  upgrade: {
    text: 'Goes over to the installed program, in the same process, with the sockets open.',
    example: 'upgrade --timeout 120',
  },
  test: {
    text: "Checks the running master's own configuration file, as a reload would read it.",
    example: 'test',
  },
  trace: {
    text: 'Shows where PHP is, in one worker or in all of a pool that have a request; with --sample counts stacks.',
    example: 'trace www --sample 10s --output www.stacks',
  },
  top: {
    text: 'Shows pools and workers as they are, again and again; ? in it lists its keys.',
    example: 'top --pool www --sort memory',
  },
  unit: {
    text: 'Prints a unit for systemd with the paths of this installation.',
    example: 'unit --config /etc/tsfpm.conf > /etc/systemd/system/tsfpm.service',
  },
  completion: {
    text: 'Prints what makes a shell complete the commands and options of tsfpm.',
    example: 'completion bash > /etc/bash_completion.d/tsfpm',
  },
};

/** `tsfpm COMMAND --help` */
export function commandHelp(name: CommandName, progName: string): string {
  const command = commandOf(name);
  const words = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[<${argument.name()}>]`,
  );
  const { text, example } = ABOUT[name];
  const options = command.options.filter((option) => !option.hidden);
  return [
    `Usage: ${[progName, name, ...words].join(' ')}${options.length > 0 ? ' [options]' : ''}`,
    '',
    text,
    '',
    ...options.flatMap(describe),
    ...(options.length > 0 ? [''] : []),
    `Example: ${progName} ${example}`,
    '',
  ].join('\n');
}

/** As it is parsed, for its arguments and options. */
export function commandOf(name: CommandName): Command {
  switch (name) {
    case 'serve':
    case 'demo':
      return createServerCommand(name);
    case 'top':
      return createTopCommand();
    case 'unit':
      return createUnitCommand();
    case 'completion':
      return createCompletionCommand();
    default:
      return createControlCommand(name);
  }
}
