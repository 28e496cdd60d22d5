import { releaseDuring } from '../prometheus-outages.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'prometheus-killed',
  what: 'Prometheus is killed and comes back with a gap: inconclusive while it lasts, never aborted, and judged again afterwards',
  backends: ['prometheus', 'victoria-metrics'],
  timeoutMs: 240_000,
  run: (context) =>
    releaseDuring(context, {
      what: 'the backend is killed',
      words: /^"INCONCLUSIVE signup \(source_unavailable\): /,
      begin: ({ child }) => child.kill(),
      end: async ({ child, untilReady }) => {
        child.start();
        await untilReady();
      },
    }),
};
