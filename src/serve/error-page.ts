import { type ServerResponse, STATUS_CODES } from 'node:http';

const STYLE = `
:root { color-scheme: light dark; }
body { max-width: 40rem; margin: 15vh auto; padding: 0 1.5rem; font: 1rem/1.6 system-ui, sans-serif; }
h1 { font-size: 1.4rem; font-weight: 600; }
p { overflow-wrap: anywhere; }
`;

/**
 * Answers with a short page: the status and one or two sentences. Not for a response that has begun.
 *
 * @param sentence plain text
 */
export function sendErrorPage(
  response: ServerResponse,
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const page = Buffer.from(renderPage(`${status} ${STATUS_CODES[status]}`, sentence));
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': page.length,
    'Cache-Control': 'no-store',
    ...headers,
  });
  response.end(page);
}

function renderPage(title: string, sentence: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>${STYLE}</style></head>
<body><h1>${title}</h1><p>${escapeHtml(sentence)}</p></body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
