import { releaseDuring } from '../prometheus-outages.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'partial-scrape',
  what: 'one pod of the canary cannot be scraped: inconclusive while it lasts, never a pass, never aborted',
  backends: ['prometheus', 'victoria-metrics'],
  timeoutMs: 300_000,
  run: (context) =>
    releaseDuring(context, {
      what: 'one pod cannot be scraped',
      words: /^"INCONCLUSIVE signup \(source_malformed\): .*cannot scrape a pod of the canary/,
      begin: (metrics, pods) => metrics.pods().setReachable(pods.slice(0, 1), false),
      end: (metrics, pods) => metrics.pods().setReachable(pods, true),
    }),
};
