import { brokenThenGood } from '../prometheus-journey.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'prometheus-journey',
  what: "over a real Prometheus: a tenth of a percent of the traffic fails for one in five, and the release is aborted; the good one after it is promoted; OpenTelemetry's counter by route",
  backends: ['prometheus', 'victoria-metrics', 'prometheus-3', 'thanos', 'mimir'],
  timeoutMs: 240_000,
  run: (context) => brokenThenGood(context, {}),
};
