/** The outcome of a reload, an upgrade or a reopening of logs, for the one who asked for it. */
export interface Outcome {
  /** Everything that was asked for is in force. */
  readonly isComplete: boolean;
  /** One sentence for the administrator. */
  readonly summary: string;
}
