import type { MasterLog } from '../log/master-log.js';
import type { OutputFrame, OutputSource } from '../log/output-frame.js';
import type { Count } from '../units.js';
import type { OutputStream } from './control-frames.js';

const NEWLINE = 0x0a;
/** What a worker writes after a request's output, on the stream whose line it ends: php-fpm's mark. */
const END_OF_REQUEST = Buffer.from('\0fscf\0');
const PIPE_IS_CLOSED = ', pipe is closed';
const NOTHING = Buffer.alloc(0);

/**
 * What one worker prints, cut into lines of the log by php-fpm's rules: at newlines, where the other stream goes on, at
 * the end of a request and of the worker, and where a line is full. Empty lines are dropped. Holds less than one line.
 */
export class WorkerOutput {
  readonly #log: MasterLog;
  readonly #sources: Record<OutputStream, OutputSource>;
  #stream: OutputStream = 'stderr';
  /** The part of the present line that is not written yet. */
  #pending: Buffer = NOTHING;
  /** By stream: the end of the last piece, where it may be the beginning of a mark. */
  readonly #markStart: Record<OutputStream, Buffer> = { stdout: NOTHING, stderr: NOTHING };
  /** `log_buffering = no`: the present line as far as it is written already. */
  #open: { readonly frame: OutputFrame; written: number } | undefined;
  #quietChecks: Count = 0;

  constructor(log: MasterLog, worker: Omit<OutputSource, 'stream'>) {
    this.#log = log;
    this.#sources = { stdout: { ...worker, stream: 'stdout' }, stderr: { ...worker, stream: 'stderr' } };
  }

  /** Counts its own calls: how many there were since the last piece came, this one included. */
  quietChecks(): Count {
    return ++this.#quietChecks;
  }

  /** A line has begun, and is not ended. */
  get isMidLine(): boolean {
    return this.#pending.length > 0 || this.#open !== undefined;
  }

  push(stream: OutputStream, piece: Buffer): void {
    this.#quietChecks = 0;
    let bytes =
      this.#markStart[stream].length === 0 ? piece : Buffer.concat([this.#markStart[stream], piece]);
    for (let mark = bytes.indexOf(END_OF_REQUEST); mark >= 0; mark = bytes.indexOf(END_OF_REQUEST)) {
      this.#take(stream, bytes.subarray(0, mark));
      // Only a line of this stream ends: the other stream has its own mark.
      if (stream === this.#stream) this.endLine();
      bytes = bytes.subarray(mark + END_OF_REQUEST.length);
    }
    const held = heldBack(bytes);
    this.#take(stream, bytes.subarray(0, bytes.length - held));
    this.#markStart[stream] = Buffer.from(bytes.subarray(bytes.length - held));
    if (this.#pending.length > 0) this.#pending = Buffer.from(this.#pending);
  }

  #take(stream: OutputStream, bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (stream !== this.#stream) this.endLine();
    this.#stream = stream;
    this.#lines(bytes);
  }

  /** The request that printed it has ended. */
  endLine(ending = ''): void {
    if (this.#open !== undefined) {
      this.#log.raw(`${this.#open.frame.tail}${this.#open.frame.tail === '' ? '' : ending}\n`);
      this.#open = undefined;
    } else if (this.#pending.length > 0) {
      this.#log.output(this.#source, this.#pending, ending);
    }
    this.#pending = NOTHING;
  }

  /** The worker has ended, and its pipes with it. */
  close(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#markStart[stream];
      this.#markStart[stream] = NOTHING;
      if (rest.length === 0) continue;
      if (stream !== this.#stream) this.endLine();
      this.#stream = stream;
      this.#text(rest);
    }
    this.endLine(PIPE_IS_CLOSED);
  }

  get #source(): OutputSource {
    return this.#sources[this.#stream];
  }

  #lines(bytes: Buffer): void {
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      this.#text(bytes.subarray(from, end));
      this.endLine();
      from = end + 1;
    }
    this.#text(bytes.subarray(from));
  }

  #text(text: Buffer): void {
    if (text.length === 0) return;
    const frame = this.#open?.frame ?? this.#log.outputFrame(this.#source);
    if (frame !== undefined) this.#writeThrough(text, frame);
    else this.#gather(text);
  }

  #gather(text: Buffer): void {
    const room = this.#log.outputRoom(this.#source);
    let rest = this.#pending.length === 0 ? text : Buffer.concat([this.#pending, text]);
    while (rest.length > room) {
      this.#log.output(this.#source, rest.subarray(0, room));
      rest = rest.subarray(room);
    }
    this.#pending = rest;
  }

  /** Writes the text as it comes: lines of others may come in between. */
  #writeThrough(text: Buffer, frame: OutputFrame): void {
    let rest = text;
    let open = this.#open ?? this.#begin(frame);
    while (rest.length > open.frame.room - open.written) {
      const fits = open.frame.room - open.written;
      this.#log.raw(rest.subarray(0, fits));
      rest = rest.subarray(fits);
      this.endLine();
      open = this.#begin(this.#log.outputFrame(this.#source) ?? frame);
    }
    this.#log.raw(rest);
    open.written += rest.length;
  }

  #begin(frame: OutputFrame): { readonly frame: OutputFrame; written: number } {
    this.#open = { frame, written: 0 };
    if (frame.head !== '') this.#log.raw(frame.head);
    return this.#open;
  }
}

/** Bytes at the end that may be the start of a mark. */
function heldBack(bytes: Buffer): number {
  const from = Math.max(0, bytes.length - END_OF_REQUEST.length + 1);
  for (let at = bytes.indexOf(0, from); at >= 0; at = bytes.indexOf(0, at + 1))
    if (bytes.subarray(at).equals(END_OF_REQUEST.subarray(0, bytes.length - at))) return bytes.length - at;
  return 0;
}
