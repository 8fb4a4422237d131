import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { until } from '../helpers/wait.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--headless=new',
  '--remote-debugging-pipe',
  // The tests run as root.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-extensions',
  '--disable-sync',
  '--metrics-recording-only',
  '--no-first-run',
  '--no-proxy-server',
  '--hide-scrollbars',
  '--force-color-profile=srgb',
];
const ANSWER_MS = 20_000;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** What went wrong in a page, and what it asked for. */
export interface PageEvents {
  /** Exceptions, console errors, and what the browser itself has to say, violations of the CSP among it. */
  readonly complaints: string[];
  readonly requests: string[];
  /** alert() and the like. */
  readonly dialogs: string[];
}

/** One page of a headless browser, spoken to by the DevTools protocol over its pipe. It goes with the test. */
export class BrowserPage {
  readonly events: PageEvents = { complaints: [], requests: [], dialogs: [] };
  readonly #write: Writable;
  readonly #waiting = new Map<
    number,
    { resolve: (result: Record<string, unknown>) => void; reject: (error: Error) => void }
  >();
  #session: string | undefined;
  #id = 0;
  #pending = '';

  private constructor(write: Writable, read: Readable) {
    this.#write = write;
    write.on('error', () => {}); // the browser has ended; who waits for an answer is told by the clock
    read.setEncoding('utf8');
    read.on('data', (text: string) => this.#take(text));
  }

  static async open(t: TestContext): Promise<BrowserPage> {
    const profile = mkdtempSync('/tmp/tsfpm-test-browser-');
    const child = spawn(
      '/bin/sh',
      [
        '-c',
        `for name in ${NAMES.join(' ')}; do command -v $name >/dev/null && exec $name "$@"; done; echo "no chromium" >&2; exit 1`,
        'sh',
        ...FLAGS,
        `--user-data-dir=${profile}`,
        'about:blank',
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
        detached: true,
      },
    );
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-2000);
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    t.after(async () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    });
    const page = new BrowserPage(child.stdio[3] as Writable, child.stdio[4] as Readable);
    await Promise.race([
      page.#attach(),
      ended.then(() => {
        throw new Error(`the browser has ended: ${said}`);
      }),
    ]);
    return page;
  }

  async #attach(): Promise<void> {
    const { targetInfos } = (await this.send('Target.getTargets')) as {
      targetInfos: { type: string; targetId: string }[];
    };
    const target = targetInfos.find(({ type }) => type === 'page');
    const { sessionId } = await this.send('Target.attachToTarget', {
      targetId: target?.targetId,
      flatten: true,
    });
    this.#session = String(sessionId);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Audits']) await this.send(`${domain}.enable`);
  }

  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const sessionId = this.#session === undefined ? {} : { sessionId: this.#session };
    this.#write.write(`${JSON.stringify({ id, method, params, ...sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the browser does not answer to ${method}`)),
        ANSWER_MS,
      );
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** The value of an expression in the page. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: Value }; exceptionDetails?: object };
    if (exceptionDetails !== undefined) throw new Error(`in the page: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Waits until an expression in the page is true. */
  until(what: string, expression: string): Promise<unknown> {
    return until(what, () => this.evaluate<boolean>(expression), ANSWER_MS);
  }

  async look({
    width,
    height,
    scheme,
  }: {
    width: number;
    height: number;
    scheme: 'light' | 'dark';
  }): Promise<void> {
    const isPhone = width < 600;
    await this.send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: isPhone ? 2 : 1,
      mobile: isPhone,
    });
    await this.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    });
  }

  /** What is in the window, as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(String(data), 'base64');
  }

  #take(text: string): void {
    const pieces = (this.#pending + text).split('\0');
    this.#pending = pieces.pop() ?? '';
    for (const piece of pieces) this.#onMessage(JSON.parse(piece) as Message);
  }

  #onMessage({ id, method, params = {}, result, error }: Message): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error !== undefined) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result ?? {});
      return;
    }
    const { complaints, requests, dialogs } = this.events;
    switch (method) {
      case 'Runtime.exceptionThrown':
      case 'Audits.issueAdded':
        complaints.push(JSON.stringify(params));
        break;
      case 'Runtime.consoleAPICalled':
        if (params.type === 'error' || params.type === 'warning') complaints.push(JSON.stringify(params));
        break;
      case 'Log.entryAdded':
        complaints.push(JSON.stringify(params));
        break;
      case 'Network.requestWillBeSent':
        requests.push((params.request as { url: string }).url);
        break;
      case 'Page.javascriptDialogOpening':
        dialogs.push(String(params.message));
        void this.send('Page.handleJavaScriptDialog', { accept: true });
        break;
    }
  }
}
