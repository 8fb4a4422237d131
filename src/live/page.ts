import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface LivePage {
  readonly html: string;
  /** The page may run its own script and ask its own address, and nothing else. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The folder src/live/, seen from dist/src/live/. */
const SOURCES = new URL('../../../src/live/', import.meta.url);

/** One script in the page, in an order in which each finds what it needs at its start. */
const MODULES = ['figures.mjs', 'elements.mjs', 'charts.mjs', 'tables.mjs', 'pools.mjs', 'page.mjs'];
const IMPORT = /^import [^;]*;\n/gm;

// Read when the master starts: an upgrade of the package may replace the files later, and a page of another version may
// ask for what this master does not have.
const PAGE = readPage();

/**
 * The live page: one document that asks the address it came from, with the query `?json&live`, for a LiveSnapshot, and
 * keeps the snapshots. The page is the same for all pools and for one.
 *
 * @returns undefined where the installation lacks its files
 */
export function livePage(): LivePage | undefined {
  return PAGE;
}

function readPage(): LivePage | undefined {
  try {
    const [html, style] = [read('page.html'), read('page.css')];
    const script = MODULES.map((name) => read(name).replaceAll(IMPORT, '')).join('');
    return {
      // Replaced by functions, so that a `$` in the text stands for itself.
      html: html.replace('{style}', () => style).replace('{script}', () => script),
      headers: { 'Content-Security-Policy': policy(style, script), 'Referrer-Policy': 'no-referrer' },
    };
  } catch {
    return undefined; // not installed: a request for the page is answered with an error
  }
}

/** @throws where there is no such file */
function read(name: string): string {
  return readFileSync(fileURLToPath(new URL(name, SOURCES)), 'utf8');
}

/** Hashes instead of a nonce: the page is the same for every request, and no other text in it can run as a script. */
function policy(style: string, script: string): string {
  return [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
