import { exporterFamilies } from './exporter-metrics.js';
import { type ExpositionFormat, renderFamilies } from './exposition.js';
import type { MetricsInput } from './metrics-input.js';
import { masterFamilies, ownPoolFamilies } from './own-metrics.js';

/** All pools and the master in one text, for /metrics. */
export function renderMetrics(
  { pools, master }: MetricsInput,
  format: ExpositionFormat = 'openmetrics',
): string {
  const families = [...exporterFamilies(pools), ...ownPoolFamilies(pools), ...masterFamilies(master)];
  return renderFamilies(families, format);
}
