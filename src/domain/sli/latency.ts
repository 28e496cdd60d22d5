import type { SliKind } from './kind.ts';

/** Requests that are slower than their endpoint's threshold. */
export const latency: SliKind = {
  heading: 'Latency',
  events: 'requests',
  badWord: 'slow',
  badVerb: 'were slow',
  goodRequests: "within their endpoint's latencyMs",
  needsThreshold: true,
  seriesOf: (side, { resource, latencyMs }) =>
    latencyMs === undefined ? undefined : side.latency.get(latencyMs)?.get(resource),
};
