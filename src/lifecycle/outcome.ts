/** The outcome of a reload, an upgrade or a reopening of logs, for the one who asked for it. */
export interface Outcome {
  /** Everything that was asked for is in force. */
  readonly isComplete: boolean;
  /** One sentence for the administrator. */
  readonly summary: string;
  /** Where it is not complete: why, one line each. */
  readonly reasons?: readonly string[];
}

/** For systemd's status line: what is wrong since then, with the first reason. */
export function troubleOf({ isComplete, summary, reasons = [] }: Outcome): string | undefined {
  if (isComplete) return undefined;
  const [first, ...more] = reasons;
  if (first === undefined) return summary;
  return `${summary}: ${first}${more.length > 0 ? ` (and ${more.length} more)` : ''}`;
}
