import { brokenThenGood } from '../prometheus-journey.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'istio-journey',
  what: "the same by Istio's counter, whose requests are classified by operation",
  backends: ['prometheus', 'victoria-metrics', 'prometheus-3', 'thanos', 'mimir'],
  timeoutMs: 240_000,
  run: (context) =>
    brokenThenGood(context, {
      source: {
        total: 'istio_requests_total{reporter="source",destination_service_name="{service}"}',
        bad: 'istio_requests_total{reporter="source",destination_service_name="{service}",response_code=~"5.."}',
        groupBy: 'request_operation',
      },
      isClassified: true,
      versionLabel: 'destination_version',
    }),
};
