/** What a reload, an upgrade or the opening of logs came to, for whoever asked for it. */
export interface Outcome {
  /** Everything that was asked for is in force. */
  readonly isComplete: boolean;
  /** One sentence for the administrator. */
  readonly summary: string;
}
