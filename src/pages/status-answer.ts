import { livePage } from '../live/page.js';
import type { Pool } from '../pool/pool.js';
import { chooseStatus, isLiveAsked } from '../status/choose.js';
import { type Page, type PageRequest, type PageSettings, statusPage } from '../status/page.js';
import { liveSnapshot, poolStatus } from './pool-status.js';

/** The answer to a request for `pm.status_path`: php-fpm's pages, and with `html&live` one that goes on by itself. */
export function statusAnswer(pool: Pool, request: PageRequest, settings: PageSettings): Page {
  if (request.method !== 'HEAD' && isLiveAsked(request.query)) {
    const { format } = chooseStatus(request.query);
    const page = livePage();
    // An installation without the page has php-fpm's.
    if (format === 'html' && page !== undefined)
      return {
        status: 200,
        headers: [
          ['Cache-Control', 'no-store'],
          ['Content-type', 'text/html;charset=UTF-8'],
          ['X-Content-Type-Options', 'nosniff'],
          ...Object.entries(page.headers),
        ],
        body: page.html,
      };
    if (format === 'json')
      return {
        status: 200,
        headers: [
          ['Cache-Control', 'no-store'],
          ['Content-Type', 'application/json'],
        ],
        body: JSON.stringify(liveSnapshot([pool], { withMemory: true })),
      };
  }
  return statusPage(poolStatus(pool, performance.now()), request, settings);
}
