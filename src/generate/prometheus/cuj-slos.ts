import { slisOf } from '../../domain/judge/judge.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import type { SliName } from '../../domain/sli/table.ts';
import { prometheusDialect } from '../../sources/prometheus/query/dialect.ts';
import { type EventSelectors, eventSelectors } from '../../sources/prometheus/query/event-queries.ts';
import { matcherText } from '../../sources/prometheus/query/label-matchers.ts';
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

/** Whether Prometheus measures all of a CUJ. */
export function isOfPrometheus({ services }: Registry, cuj: Cuj): boolean {
  return cuj.services.every((name) => services.get(name)?.dialect.backend === prometheusDialect.backend);
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
    if (!isOfPrometheus(registry, cuj)) {
      left.push(`${cuj.name}: another backend measures it, or a part of it`);
      continue;
    }
    const own = slosOfPrometheus(registry, cuj);
    slos.push(...own);
    for (const sli of slisOf(cuj)) {
      if (own.every((slo) => slo.sli !== sli))
        left.push(`${cuj.name} (${sli}): there are no rules for this SLI yet`);
    }
  }
  return { slos, left };
}

/** The SLOs of one CUJ, of those SLIs that can be counted. Precondition: Prometheus measures all of it. */
export function slosOfPrometheus(registry: Registry, cuj: Cuj): PrometheusSlo[] {
  const objective = cuj.objectives.availability;
  return objective === undefined ? [] : [{ cuj, sli: 'availability', objective, ...eventsOf(registry, cuj) }];
}

function eventsOf(registry: Registry, cuj: Cuj): Pick<PrometheusSlo, 'events' | 'failures'> {
  const events = new Map<string, EventSelectors>();
  const failures = new Set<string>();
  for (const service of [...cuj.services].sort()) {
    const batch = registry.batchOfService.get(service);
    if (batch?.template === undefined) throw new TypeError(`service "${service}" does not carry its source`);
    const resources = cuj.endpoints.filter((one) => one.service === service).map(({ resource }) => resource);
    events.set(service, eventSelectors(batch, service, resources.includes('*') ? undefined : resources));
    const source = counterSourceOf(batch.template);
    failures.add(badMatchers(source).map(matcherText).join(', '));
    if (source.grpcStatus !== undefined) {
      failures.add([source.grpcStatus.isGrpc, source.grpcStatus.isBad].map(matcherText).join(', '));
    }
  }
  return { events, failures: [...failures].sort().join('; or ') };
}
