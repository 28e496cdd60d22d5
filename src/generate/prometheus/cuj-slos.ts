import { slisOf } from '../../domain/judge/judge.ts';
import type { Cuj, Endpoint, QueryBatch, Registry } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { cujMeasuredBy } from '../../domain/registry/part-of-backend.ts';
import type { Source } from '../../domain/registry/source-dialect.ts';
import type { Failure } from '../../domain/sli/failure.ts';
import { endpointsCountedBy } from '../../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../../domain/sli/table.ts';
import { withFailure } from '../../sources/prometheus/query/counted-failures.ts';
import { prometheusDialect } from '../../sources/prometheus/query/dialect.ts';
import {
  type DurationSelectors,
  durationSelectors,
  type EventSelectors,
  eventSelectors,
} from '../../sources/prometheus/query/event-queries.ts';
import { matcherText } from '../../sources/prometheus/query/label-matchers.ts';
import { whyNotRecorded } from '../../sources/prometheus/query/recorded-series.ts';
import { badMatchers, counterSourceOf } from '../../sources/prometheus/query/source-template.ts';
import { sortedBy } from '../output/generated-file.ts';

/** One SLO of a CUJ that Prometheus measures. */
export interface PrometheusSlo {
  readonly cuj: Cuj;
  readonly sli: SliName;
  readonly objective: Objective;
  /** By service, in the order of their names. */
  readonly events: ReadonlyMap<string, EventSelectors | DurationSelectors>;
  /** Which requests are good, in words. */
  readonly good: string;
  /** Which requests are bad: a sentence. */
  readonly bad: string;
}

/** Every SLO that Prometheus measures alone, by CUJ. Those that no rule can be written for are named in `left`. */
export function prometheusSlos(registry: Registry): {
  readonly slos: readonly PrometheusSlo[];
  /** `login (availability): …`. */
  readonly left: readonly string[];
} {
  const slos: PrometheusSlo[] = [];
  const left: string[] = [];
  for (const cuj of sortedBy(registry.cujs.values(), ({ name }) => name)) {
    const part = cujMeasuredBy({ dialect: prometheusDialect }, registry, cuj);
    if (part === undefined) {
      left.push(`${cuj.name}: another backend measures it, or a part of it`);
      continue;
    }
    slos.push(...slosOfPrometheus(registry, part));
    left.push(...uncountedServices(registry, part).map((why) => `${cuj.name}: ${why}`));
    for (const sli of slisOf(cuj)) {
      const why =
        part.objectives[sli] === undefined
          ? 'another backend measures it, or a part of it'
          : whyNotRecorded(registry, part, sli);
      if (why !== undefined) left.push(`${cuj.name} (${sli}): ${why}`);
    }
  }
  return { slos, left };
}

/** The SLOs of one CUJ, of those SLIs that can be counted. Precondition: Prometheus measures all of it. */
export function slosOfPrometheus(registry: Registry, cuj: Cuj): PrometheusSlo[] {
  return slisOf(cuj).flatMap((sli): PrometheusSlo[] => {
    const objective = cuj.objectives[sli];
    if (objective === undefined || whyNotRecorded(registry, cuj, sli) !== undefined) return [];
    const events = new Map<string, EventSelectors | DurationSelectors>();
    const counted: Endpoint[] = [];
    for (const [service, endpoints] of countedServices(registry, cuj, sli)) {
      const own = sliKinds[sli].needsThreshold
        ? slowEvents(registry, service, endpoints)
        : failedEvents(registry, service, endpoints);
      if (own.total.length === 0) continue;
      events.set(service, own);
      counted.push(...endpoints);
    }
    if (events.size === 0) return [];
    const words = sliKinds[sli].needsThreshold ? slowWords(counted) : failureWords(registry, counted);
    return [{ cuj, sli, objective, events, ...words }];
  });
}

/** The endpoints of an SLI by service, in the order of names, where the service has a source. */
function countedServices(registry: Registry, cuj: Cuj, sli: SliName): Map<string, readonly Endpoint[]> {
  const all = endpointsCountedBy(sliKinds[sli], cuj.endpoints);
  const names = [...new Set(all.map(({ service }) => service))].sort();
  return new Map(
    names
      .filter((name) => registry.batchOfService.get(name)?.template !== undefined)
      .map((name) => [name, all.filter(({ service }) => service === name)]),
  );
}

/** Endpoints may fail by definitions of their own; each event is in the total once. */
function failedEvents(registry: Registry, service: string, endpoints: readonly Endpoint[]): EventSelectors {
  const batch = batchOf(registry, service);
  const bad = definitionsOf(endpoints).flatMap((failure) => {
    const own = endpoints.filter((one) => one.failure?.text === failure?.text);
    return eventSelectors(batch, service, resourcesOf(own), failure).bad;
  });
  return { ...eventSelectors(batch, service, resourcesOf(endpoints)), bad };
}

/** What counts as a failure on some endpoints, each once; undefined is the source's own definition. */
function definitionsOf(endpoints: readonly Endpoint[]): readonly (Failure | undefined)[] {
  return [...new Map(endpoints.map(({ failure }) => [failure?.text, failure])).values()];
}

function slowEvents(registry: Registry, service: string, endpoints: readonly Endpoint[]): DurationSelectors {
  const timed = thresholdsOf(endpoints).map((latencyMs) => ({
    latencyMs,
    endpoints: resourcesOf(endpoints.filter((one) => one.latencyMs === latencyMs)),
  }));
  return durationSelectors(batchOf(registry, service), service, timed);
}

/** Undefined: the whole service. */
function resourcesOf(endpoints: readonly Endpoint[]): readonly string[] | undefined {
  const resources = endpoints.map(({ resource }) => resource);
  return resources.includes('*') ? undefined : resources;
}

function thresholdsOf(endpoints: readonly Endpoint[]): readonly number[] {
  return [...new Set(endpoints.flatMap(({ latencyMs }) => latencyMs ?? []))].sort((a, b) => a - b);
}

function slowWords(endpoints: readonly Endpoint[]): Pick<PrometheusSlo, 'good' | 'bad'> {
  const parts = thresholdsOf(endpoints).map((latencyMs) => {
    const own = endpoints.filter((one) => one.latencyMs === latencyMs);
    const names = [...new Set(own.map(({ label }) => (label === '*' ? 'all endpoints' : label)))].sort();
    return `${latencyMs} ms (${names.join(', ')})`;
  });
  return {
    good: `requests within ${parts.join(', ')}`,
    bad: `Requests that take longer than ${parts.join(', ')} are slow.`,
  };
}

function failureWords(
  registry: Registry,
  endpoints: readonly Endpoint[],
): Pick<PrometheusSlo, 'good' | 'bad'> {
  const failures = new Set<string>();
  for (const service of new Set(endpoints.map((one) => one.service))) {
    const template = counterSourceOf(batchOf(registry, service).template as Source);
    const own = endpoints.filter((one) => one.service === service);
    const definitions = definitionsOf(own);
    for (const failure of definitions) {
      const source = withFailure(template, failure);
      const names = own.filter((one) => one.failure?.text === failure?.text).map(({ label }) => label);
      const where = definitions.length === 1 ? '' : `, on ${names.sort().join(', ')}`;
      failures.add(`${badMatchers(source).map(matcherText).join(', ')}${where}`);
      if (source.grpcStatus !== undefined)
        failures.add(
          `${[source.grpcStatus.isGrpc, source.grpcStatus.isBad].map(matcherText).join(', ')}${where}`,
        );
    }
  }
  const text = [...failures].sort().join('; or ');
  return { good: `requests without ${text}`, bad: `Requests with ${text} fail.` };
}

function batchOf(registry: Registry, service: string): QueryBatch {
  return registry.batchOfService.get(service) as QueryBatch;
}

/** Why nothing of a service can be counted, as the gate cannot measure it either. */
function uncountedServices(registry: Registry, cuj: Cuj): string[] {
  return [...cuj.services].sort().flatMap((service) => {
    const batch = registry.batchOfService.get(service);
    if (batch?.template === undefined) return [`the service ${service} has no source`];
    const own = cuj.endpoints.filter((one) => one.service === service);
    if (failedEvents(registry, service, own).total.length > 0) return [];
    const source = counterSourceOf(batch.template);
    const { length } = source.endpointLabels;
    return [
      `groupBy of the source ${source.name} has ${length} ${length === 1 ? 'label' : 'labels'}, which no endpoint of ${service} fits`,
    ];
  });
}
