import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProgram } from '../../../src/cli/program.js';
import { DIRECTIVES } from '../../../src/config/directives.js';
import { commandPage } from '../../../src/manual/command-page.js';
import { directivesPage } from '../../../src/manual/directives-page.js';
import { roffLiteral, roffText } from '../../../src/text/roff.js';

/** What the page shows: macros and escapes taken out. */
function plain(page: string): string {
  return page.replaceAll('\\-', '-').replaceAll('\\&', '').replaceAll('\\e', '\\');
}

test('text of a manual page is no macro and no escape', () => {
  assert.equal(
    roffText(".TH is none\n'br neither, \\n[x] is no register"),
    "\\&.TH is none\n\\&'br neither, \\en[x] is no register",
  );
  assert.equal(roffText('pm.max_children, --config'), 'pm.max_children, \\-\\-config');
  assert.equal(roffLiteral('a\n.b\n\n'), '.nf\na\n\\&.b\n.fi');
});

test('tsfpm.conf(5) has every directive, tsfpm(8) every option, and both their head', () => {
  const directives = plain(directivesPage('1.2'));
  for (const { name } of DIRECTIVES)
    assert.match(directives, new RegExp(`^\\.B ${name.replaceAll('.', '\\.')}$`, 'm'));
  const command = plain(commandPage('1.2'));
  for (const { long, hidden } of createProgram().options)
    if (!hidden) assert.ok(command.includes(long ?? ''), long ?? '');
  assert.match(command, /^\.TH tsfpm 8 "" "tsfpm 1\.2"/);
  assert.match(directives, /^\.TH tsfpm\.conf 5 "" "tsfpm 1\.2"/);
});

test('every line of a page that begins with a dot is a macro of ours', () => {
  const macros = /^\.(?:TH|SH|TP|B|BR|br|nf|fi)\b/;
  for (const page of [directivesPage('1'), commandPage('1')])
    for (const line of page.split('\n')) if (/^[.']/.test(line)) assert.match(line, macros);
});
