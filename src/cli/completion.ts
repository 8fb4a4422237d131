import type { Option } from 'commander';
import { commandOf } from './command-help.js';
import { COMMANDS, createProgram } from './program.js';

/** Shells that completion is made for. */
export const SHELLS = ['bash', 'zsh'] as const;
export type Shell = (typeof SHELLS)[number];

/** Options whose value is a file or a directory. */
const FILE_VALUE = /<(?:file|path|dir)>/;

/** A script for the shell, made from the tables that the command line is parsed by. */
export function completionScript(shell: Shell): string {
  // zsh runs bash's functions.
  return shell === 'bash'
    ? bashScript()
    : `#compdef tsfpm\nautoload -Uz bashcompinit && bashcompinit\n${bashScript()}`;
}

function bashScript(): string {
  const cases = COMMANDS.map((name) => `    ${name}) words='${wordsOf(name)}' ;;`);
  const options = [...createProgram().options, ...COMMANDS.flatMap((name) => commandOf(name).options)];
  const fileOptions = [...new Set(options.filter(takesFile).flatMap(flagsOf))];
  return [
    '_tsfpm() {',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
    '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words',
    '  COMPREPLY=()',
    '  case $before in',
    `    ${fileOptions.join('|')}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
    '  esac',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
    '  case ${COMP_WORDS[1]} in',
    ...cases,
    `    *) words='${[
      ...COMMANDS,
      ...createProgram()
        .options.filter(({ hidden }) => !hidden)
        .flatMap(flagsOf),
    ].join(' ')}' ;;`,
    '  esac',
    `  if [ "$COMP_CWORD" -eq 1 ]; then words='${COMMANDS.join(' ')} --help --version --test'; fi`,
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '}',
    'complete -o filenames -F _tsfpm tsfpm',
    '',
  ].join('\n');
}

function wordsOf(name: (typeof COMMANDS)[number]): string {
  const own = name === 'completion' ? [...SHELLS] : [];
  return [...own, ...commandOf(name).options.flatMap(flagsOf), '--help'].join(' ');
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function takesFile({ flags }: Option): boolean {
  return FILE_VALUE.test(flags);
}
