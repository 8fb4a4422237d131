import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseExposition } from '../../../src/http/accept.js';

test('OpenMetrics goes to who asks for it, the older format to the rest', () => {
  const rows: [string | undefined, 'openmetrics' | 'prometheus'][] = [
    [undefined, 'prometheus'],
    ['', 'prometheus'],
    ['*/*', 'prometheus'],
    ['application/*', 'prometheus'],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
    ['Application/OpenMetrics-Text', 'openmetrics'],
    // Prometheus 2.x and 3.x.
    [
      'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'prometheus'],
    ['text/plain', 'prometheus'],
    ['text/*, application/openmetrics-text;q=0', 'prometheus'],
    ['application/openmetrics-text;q=0.2, text/plain;q=0.9', 'prometheus'],
    ['application/openmetrics-text;q=banana', 'prometheus'],
    ['image/png', 'prometheus'],
    [';;,,;q=', 'prometheus'],
  ];
  for (const [accept, format] of rows) assert.equal(chooseExposition(accept), format, accept);
});
