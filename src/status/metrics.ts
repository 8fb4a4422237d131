import { exporterFamilies } from './exporter-metrics.js';
import { type ExpositionFormat, expositionEnd, labelText, renderFamily } from './exposition.js';
import type { MetricsInput } from './metrics-input.js';
import { masterFamilies, ownPoolFamilies } from './own-metrics.js';

/** All pools and the master in one text, for /metrics; in pieces, since thousands of pools make megabytes. */
export function* renderMetrics(
  { pools, master }: MetricsInput,
  format: ExpositionFormat = 'openmetrics',
): Generator<string> {
  const labelled = pools.map((pool) => ({ ...pool, labels: labelText({ pool: pool.status.name }) }));
  for (const families of [exporterFamilies(labelled), ownPoolFamilies(labelled), masterFamilies(master)])
    for (const family of families) yield* renderFamily(family, format);
  yield expositionEnd(format);
}
