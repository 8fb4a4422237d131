const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  gt: '>',
  lt: '<',
  quot: '"',
  nbsp: ' ',
  copy: '(c)',
};

const RULE = ` ${'_'.repeat(71)}`;

/**
 * The page that `php-cgi -i` prints, as the plain text that php-fpm prints: one line for each row of a
 * table, its cells joined by ` => `.
 */
export function phpinfoText(html: string): string {
  const body = /<body[^>]*>(.*)<\/body>/s.exec(html)?.[1] ?? html;
  const text = body
    .replace(/<(style|script)\b.*?<\/\1>/gs, '')
    .replace(/<h1 class="p">PHP Version ([^<]*)<\/h1>/, 'PHP Version => $1\n')
    .replace(/<hr\s*\/?>/g, `\n${RULE}\n\n`)
    .replace(/<tr[^>]*>(.*?)<\/tr>\n?/gs, (_row, cells: string) => rowText(cells))
    .replace(/<h[12][^>]*>(.*?)<\/h[12]>/gs, '\n$1\n\n')
    .replace(/<br\s*\/?>/g, '\n')
    .replace(/<\/?(?:table|tbody|div)[^>]*>\n?/g, '\n');
  return `phpinfo()\n${decode(text)
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

function rowText(cells: string): string {
  const texts = [...cells.matchAll(/<t[dh][^>]*>(.*?)<\/t[dh]>/gs)].map(([, cell]) => trimEnds(cell ?? ''));
  return `${texts.join(' => ')}\n`;
}

function trimEnds(cell: string): string {
  return cell.replace(/^\s+|\s+$/g, '');
}

function decode(text: string): string {
  return text
    .replace(/<[^>]*>/g, '')
    .replace(/&#(\d+);/g, (_match, code: string) => String.fromCodePoint(Math.min(Number(code), 0x10ffff)))
    .replace(/&([a-z]+);/g, (match, name: string) =>
      Object.hasOwn(ENTITIES, name) ? `${ENTITIES[name]}` : match,
    );
}
