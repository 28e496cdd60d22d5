import { slisOf } from '../../domain/judge/judge.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { cujMeasuredBy } from '../../domain/registry/part-of-backend.ts';
import type { SliName } from '../../domain/sli/table.ts';
import { prometheusDialect } from '../../sources/prometheus/query/dialect.ts';
import { type EventSelectors, eventSelectors } from '../../sources/prometheus/query/event-queries.ts';
import { matcherText } from '../../sources/prometheus/query/label-matchers.ts';
import { recordedSlis } from '../../sources/prometheus/query/recorded-series.ts';
import { badMatchers, counterSourceOf } from '../../sources/prometheus/query/source-template.ts';
import { sortedBy } from '../output/generated-file.ts';

/** One SLO of a CUJ that Prometheus measures. */
export interface PrometheusSlo {
  readonly cuj: Cuj;
  readonly sli: SliName;
  readonly objective: Objective;
  /** By service, in the order of their names. */
  readonly events: ReadonlyMap<string, EventSelectors>;
  /** What tells failed requests, in words. */
  readonly failures: string;
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
    const own = slosOfPrometheus(registry, part);
    slos.push(...own);
    const { uncounted } = eventsOf(registry, part);
    left.push(...uncounted.map((why) => `${cuj.name}: ${why}`));
    for (const sli of slisOf(cuj)) {
      if (part.objectives[sli] === undefined) {
        left.push(`${cuj.name} (${sli}): another backend measures it, or a part of it`);
        continue;
      }
      if (!recordedSlis.includes(sli)) left.push(`${cuj.name} (${sli}): there are no rules for this SLI yet`);
    }
  }
  return { slos, left };
}

/** The SLOs of one CUJ, of those SLIs that can be counted. Precondition: Prometheus measures all of it. */
export function slosOfPrometheus(registry: Registry, cuj: Cuj): PrometheusSlo[] {
  const objective = cuj.objectives.availability;
  const { events, failures } = eventsOf(registry, cuj);
  if (objective === undefined || events.size === 0) return [];
  return [{ cuj, sli: 'availability', objective, events, failures }];
}

/** `uncounted`: why nothing of a service can be counted, as the gate cannot measure it either. */
function eventsOf(
  registry: Registry,
  cuj: Cuj,
): Pick<PrometheusSlo, 'events' | 'failures'> & { readonly uncounted: readonly string[] } {
  const events = new Map<string, EventSelectors>();
  const failures = new Set<string>();
  const uncounted: string[] = [];
  for (const service of [...cuj.services].sort()) {
    const batch = registry.batchOfService.get(service);
    if (batch?.template === undefined) {
      uncounted.push(`the service ${service} has no source`);
      continue;
    }
    const resources = cuj.endpoints.filter((one) => one.service === service).map(({ resource }) => resource);
    const selectors = eventSelectors(batch, service, resources.includes('*') ? undefined : resources);
    const source = counterSourceOf(batch.template);
    if (selectors.total.length === 0) {
      const { length } = source.endpointLabels;
      uncounted.push(
        `groupBy of the source ${source.name} has ${length} ${length === 1 ? 'label' : 'labels'}, which no endpoint of ${service} fits`,
      );
      continue;
    }
    events.set(service, selectors);
    failures.add(badMatchers(source).map(matcherText).join(', '));
    if (source.grpcStatus !== undefined) {
      failures.add([source.grpcStatus.isGrpc, source.grpcStatus.isBad].map(matcherText).join(', '));
    }
  }
  return { events, failures: [...failures].sort().join('; or '), uncounted };
}
