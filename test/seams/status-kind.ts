import type { SliKind } from '../../src/domain/sli/kind.ts';

/** A third kind of SLI, which no other file refers to: requests with a status. */
export const status: SliKind = {
  heading: 'Status',
  events: 'requests',
  badWord: 'without status',
  badVerb: 'had no status',
  goodRequests: 'that carry a status',
  needsThreshold: false,
  seriesOf(side, { resource }) {
    const series = resource === '*' ? side.whole : side.requests.get(resource);
    if (series?.withStatus === undefined) return undefined;
    const { total, withStatus: known } = series;
    return { total, bad: total.map((requests, i) => requests - (known[i] as number)) };
  },
};
