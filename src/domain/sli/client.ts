import type { SliKind } from './kind.ts';

/** Views and actions of the client that fail, as `client` of the CUJ says. */
export const client: SliKind = {
  heading: 'Client side',
  events: 'client events',
  badWord: 'failed',
  badVerb: 'failed',
  goodRequests: 'that do not fail',
  needsThreshold: false,
  countsFailures: true,
  ofClient: true,
  seriesOf: (side, { resource, failure }) =>
    failure === undefined ? undefined : side.failures?.get(failure.text)?.get(resource),
};
