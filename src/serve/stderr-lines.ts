/** Longest line passed on, in characters; a longer one is passed on in parts. */
const MAX_LINE = 8192;

/** Cuts a byte stream into lines for a log: no control characters, no empty lines, memory bounded by one line. */
export class StderrLines {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      this.#emit(line);
    }
    while (this.#rest.length >= MAX_LINE) {
      this.#emit(this.#rest.slice(0, MAX_LINE));
      this.#rest = this.#rest.slice(MAX_LINE);
    }
  }

  /** What came after the last line end. */
  end(): void {
    this.#emit(this.#rest);
    this.#rest = '';
  }

  #emit(line: string): void {
    const visible = printable(line).trimEnd();
    if (visible !== '') {
      this.#onLine(visible);
    }
  }
}

/** Text that cannot steer a terminal: control characters but the tab become `\xNN`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/\r$/, '').replace(/[\0-\x08\x0a-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
