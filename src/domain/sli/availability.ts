import type { SliKind } from './kind.ts';

/** Requests that fail: 5XX, or the bad events of a source of the registry. */
export const availability: SliKind = {
  badWord: 'failed',
  badVerb: 'failed',
  goodRequests: 'that do not end in 5XX',
  needsThreshold: false,
  seriesOf: (side, { resource }) => (resource === '*' ? side.whole : side.requests.get(resource)),
};
