/** A line of an access log, as one request makes it. */
export interface AccessLine {
  /** With its newline. */
  readonly text: string;
  readonly isCut: boolean;
}
