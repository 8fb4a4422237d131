/** A line that is not INI; the message starts with php-fpm's words `syntax error, `. */
export class IniSyntaxError extends Error {
  constructor(what: string) {
    super(`syntax error, ${what}`);
    this.name = 'IniSyntaxError';
  }
}

const END_OF_STATEMENT = /[ \t]*(?:;[^\r]*)?(?:\r|$)/y;
const BLANKS = /[ \t]*/y;
const NEXT_WORD = /[^= \t\r;&|^~()!"']+/y;

/** A position in one line of text. The patterns given to it must be sticky. */
export class LineCursor {
  readonly text: string;
  position = 0;

  constructor(text: string) {
    this.text = text;
  }

  get ended(): boolean {
    return this.position >= this.text.length;
  }

  startsWith(what: string): boolean {
    return this.text.startsWith(what, this.position);
  }

  /** Whether `what` stands right after `text`, which starts here. */
  follows(text: string, what: string): boolean {
    return this.text.startsWith(what, this.position + text.length);
  }

  /** @returns what the pattern matches here, without moving; `''` for nothing */
  peek(pattern: RegExp): string {
    pattern.lastIndex = this.position;
    return pattern.exec(this.text)?.[0] ?? '';
  }

  takeMatch(pattern: RegExp): string {
    const match = this.peek(pattern);
    this.position += match.length;
    return match;
  }

  take(what: string): boolean {
    if (!this.startsWith(what)) return false;
    this.position += what.length;
    return true;
  }

  advance(count: number): void {
    this.position += count;
  }

  skipBlanks(): void {
    this.takeMatch(BLANKS);
  }

  /** Whether only blanks and a comment are left before the end of the statement. */
  atEndOfStatement(): boolean {
    END_OF_STATEMENT.lastIndex = this.position;
    return END_OF_STATEMENT.test(this.text);
  }

  /** @returns whether there was an end of statement to pass; the end of the text is one too */
  skipEndOfStatement(): boolean {
    if (!this.atEndOfStatement()) return false;
    this.takeMatch(END_OF_STATEMENT);
    return true;
  }

  /** The error for whatever stands here; `expected` says what would have been right. */
  unexpected(expected?: string): IniSyntaxError {
    const hint = expected === undefined ? '' : `, expecting ${expected}`;
    return new IniSyntaxError(`unexpected ${this.#describe()}${hint}`);
  }

  #describe(): string {
    if (this.atEndOfStatement()) return 'end of line';
    this.skipBlanks();
    const word = this.peek(NEXT_WORD);
    return `'${word === '' ? this.text.charAt(this.position) : word}'`;
  }
}
