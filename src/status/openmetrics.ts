import { metricText } from '../text/harmless.js';
import { type PageContent, poolFields, shownPoolName, UP_METRIC } from './fields.js';
import { integerText } from './numbers.js';
import type { PoolStatus } from './status.js';

/**
 * php-fpm's page of one pool, which never lists workers. Its counters lack the `_total` that OpenMetrics wants, so a
 * strict parser refuses it; /metrics (metrics.ts) follows the standard.
 */
export function renderOpenMetrics(pool: PoolStatus, content: Omit<PageContent, 'full'>): string {
  const help = UP_METRIC.help(metricText(shownPoolName(pool.name)), pool.processManager);
  const up = `# HELP ${UP_METRIC.name} ${help}\n# TYPE ${UP_METRIC.name} ${UP_METRIC.type}\n${UP_METRIC.name} 1\n`;
  return `${up}${poolFields(content)
    .map(({ metric, value }) => {
      const shown = value(pool);
      if (metric === undefined || shown.is !== 'integer') return '';
      const helpLine = `# HELP ${metric.name} ${metric.help}\n`;
      const typeLine = `# TYPE ${metric.name} ${metric.type}\n`;
      const head = metric.isTypeFirst ? typeLine + helpLine : helpLine + typeLine;
      return `${head}${metric.name} ${integerText(shown.value)}\n`;
    })
    .join('')}# EOF\n`;
}
