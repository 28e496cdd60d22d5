import { slisOf } from '../domain/judge/judge.ts';
import type { SideCounts } from '../domain/metrics/metrics-source.ts';
import type { Cuj, Endpoint, Registry, Service } from '../domain/registry/model.ts';
import { countsEndpoint } from '../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../domain/sli/table.ts';
import { levelsOf } from './levels.ts';
import { type EndpointMix, passNeed } from './projection.ts';
import type { AssumedTraffic, HourlyTraffic, Measured } from './traffic-plan.ts';

/** One SLI of one CUJ, in a rollout of one of its services. */
export interface SliOfService {
  readonly cuj: Cuj;
  readonly service: Service;
  readonly sli: SliName;
}

/** Everything that a rollout is judged by, in the registry's order. */
export function slisOfServices(registry: Registry): readonly SliOfService[] {
  return [...registry.cujs.values()].flatMap((cuj) =>
    cuj.services.flatMap((name) =>
      slisOf(cuj, name)
        .map((sli) => ({ cuj, service: registry.services.get(name) as Service, sli }))
        // What is released with it has traffic of its own.
        .filter((of) => endpointsOf(of).length > 0),
    ),
  );
}

/** With the traffic that a service had. */
export function measuredTraffic(
  { cuj, service, sli }: SliOfService,
  counts: SideCounts,
  { fromMs, toMs }: Omit<HourlyTraffic, 'services'>,
): Measured {
  const hours = new Float64Array(Math.round((toMs - fromMs) / 3_600_000));
  const sums = endpointsOf({ cuj, service, sli }).map((endpoint) => {
    const series = sliKinds[sli].seriesOf(counts, endpoint);
    for (let i = 0; i < hours.length; i += 1) hours[i] = (hours[i] as number) + (series?.total[i] ?? 0);
    const own = sum(series?.total);
    return { endpoint, total: own, bad: sum(series?.bad), known: own - sum(series?.unclassified) };
  });
  const all = (of: 'total' | 'bad' | 'known') => sums.reduce((before, one) => before + one[of], 0);
  const [total, bad, known] = [all('total'), all('bad'), all('known')];
  const mix = sums.map(({ endpoint, total: own, bad: ownBad, known: ownKnown }) =>
    // Without requests the mix is unknown, and does not matter.
    mixOf(
      sli,
      endpoint,
      total > 0 ? own / total : 1 / sums.length,
      ownKnown > 0 ? Math.min(1, ownBad / ownKnown) : 0,
    ),
  );
  const levels = levelsOf(hours, fromMs);
  const subject = { cuj, service, sli, mix };
  return {
    ...subject,
    levels,
    value: known > 0 ? (known - bad) / known : null,
    unclassified: total > 0 ? (total - known) / total : 0,
    need: passNeed(subject, levels.median),
  };
}

/** With the same traffic at every hour, spread evenly over the CUJ's endpoints, none of which fails. */
export function assumedTraffic(of: SliOfService, requestsPerMinute: number): AssumedTraffic {
  const endpoints = endpointsOf(of);
  const subject = {
    ...of,
    mix: endpoints.map((endpoint) => mixOf(of.sli, endpoint, 1 / endpoints.length, 0)),
  };
  return {
    ...subject,
    levels: { median: requestsPerMinute, quietest: requestsPerMinute },
    need: passNeed(subject, requestsPerMinute),
  };
}

function endpointsOf({ cuj, service, sli }: SliOfService): readonly Endpoint[] {
  return cuj.endpoints.filter(
    (endpoint) => endpoint.service === service.name && countsEndpoint(sliKinds[sli], endpoint),
  );
}

function mixOf(
  sli: SliName,
  { resource, label, latencyMs }: Endpoint,
  share: number,
  badRate: number,
): EndpointMix {
  return {
    resource,
    label,
    latencyMs: sliKinds[sli].needsThreshold ? latencyMs : undefined,
    share,
    badRate,
  };
}

function sum(values: ArrayLike<number> | undefined): number {
  let total = 0;
  for (let i = 0; i < (values?.length ?? 0); i += 1) total += values?.[i] ?? 0;
  return total;
}
