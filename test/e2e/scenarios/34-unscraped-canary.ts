import { releaseDuring } from '../prometheus-outages.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'unscraped-canary',
  what: 'no pod of the canary can be scraped any more: inconclusive while it lasts, never a pass, never aborted',
  backends: ['prometheus', 'victoria-metrics'],
  timeoutMs: 300_000,
  run: (context) =>
    releaseDuring(context, {
      what: 'no pod of the canary can be scraped',
      words: /^"INCONCLUSIVE signup \(source_malformed\): .*the canary of member-api has no sample since/,
      begin: (metrics, pods) => metrics.pods().setReachable(pods, false),
      end: (metrics, pods) => metrics.pods().setReachable(pods, true),
    }),
};
