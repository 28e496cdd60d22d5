import type { SliKind } from './kind.ts';

/** Requests that fail: as `failure` says, by default 5XX; or the bad events of a source of the registry. */
export const availability: SliKind = {
  heading: 'Availability',
  events: 'requests',
  badWord: 'failed',
  badVerb: 'failed',
  goodRequests: 'that do not end in 5XX',
  needsThreshold: false,
  countsFailures: true,
  seriesOf: (side, { resource, failure }) => {
    if (failure !== undefined) return side.failures?.get(failure.text)?.get(resource);
    return resource === '*' ? side.whole : side.requests.get(resource);
  },
};
