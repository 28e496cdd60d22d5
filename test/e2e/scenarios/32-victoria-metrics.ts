import { brokenThenGood } from '../prometheus-journey.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'victoria-metrics-journey',
  what: "the same over VictoriaMetrics, by OpenTelemetry's counter",
  backends: ['victoria-metrics'],
  timeoutMs: 240_000,
  run: (context) => brokenThenGood(context, {}),
};
