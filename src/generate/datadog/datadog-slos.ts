import { slisOf } from '../../domain/judge/judge.ts';
import { backendsText } from '../../domain/registry/backend-words.ts';
import type { Cuj, Registry, Service } from '../../domain/registry/model.ts';
import type { Objective } from '../../domain/registry/objective.ts';
import { partOfBackend } from '../../domain/registry/part-of-backend.ts';
import { goodRequestsText } from '../../domain/sli/failure.ts';
import { endpointsCountedBy } from '../../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../../domain/sli/table.ts';
import { datadogDialect } from '../../sources/datadog/query/dialect.ts';
import { type SloEvents, sloEvents } from '../../sources/datadog/query/slo-queries.ts';
import { isSafeTagValue, normalizeTagValue } from '../../sources/datadog/query/tag-normalization.ts';
import { GenerateError, sortedBy } from '../output/generated-file.ts';

/** One SLO of a CUJ, the input of the generators. */
export interface CujSlo {
  readonly cuj: Cuj;
  readonly sli: SliName;
  readonly objective: Objective;
  readonly events: SloEvents;
}

/** All SLOs of a registry, by CUJ and SLI. */
export function cujSlos(registry: Registry): CujSlo[] {
  return datadogCujs(registry).flatMap((cuj) => slosOf(registry, cuj));
}

/**
 * The CUJs by name with the SLIs that Datadog measures as a whole: an SLO over a part of an SLI would look as the SLO of all of it.
 * Throws GenerateError where there is none.
 */
export function datadogCujs(registry: Registry): Cuj[] {
  const cujs = partOfBackend(registry, datadogDialect, 'sli').registry.cujs;
  if (cujs.size === 0) {
    const backends = backendsText(
      [...registry.services.values()].map(({ dialect }) => dialect),
      'and',
    );
    throw new GenerateError(
      `terraform works with Datadog only, and this registry is for ${backends}.`,
      'Name what else to generate, such as analysis-templates, prometheus-slos and prometheus-rules.',
    );
  }
  return sortedBy(cujs.values(), ({ name }) => name);
}

/** The SLOs of one CUJ. Precondition: Datadog measures all of it. */
export function slosOf(registry: Registry, cuj: Cuj): CujSlo[] {
  return slisOf(cuj).flatMap((sli) => {
    const events = sloEvents(registry, cuj, sli);
    const objective = cuj.objectives[sli];
    return events === undefined || objective === undefined ? [] : [{ cuj, sli, objective, events }];
  });
}

/** The title of a CUJ. */
export function titleOf(cuj: Cuj): string {
  return cuj.title ?? cuj.name;
}

/** The good events of an SLI, in words. */
export function goodMeans({ cuj, sli }: Pick<CujSlo, 'cuj' | 'sli'>): string {
  const kind = sliKinds[sli];
  const { needsThreshold, events, goodRequests, countsFailures } = kind;
  if (countsFailures) {
    const failures = endpointsCountedBy(kind, cuj.endpoints).map(({ failure }) => failure?.text);
    return `${events} ${goodRequestsText(goodRequests, failures)}`;
  }
  if (!needsThreshold) return `${events} ${goodRequests}`;
  const thresholds = [...new Set(cuj.endpoints.flatMap(({ latencyMs }) => latencyMs ?? []))].sort(
    (a, b) => a - b,
  );
  return `requests within ${thresholds.join(', ')} ms, as their endpoint's threshold is`;
}

/** Tags in Datadog's format, for searching and grouping. */
export function datadogTags(registry: Registry, cuj: Cuj): string[] {
  const services = cuj.services.map((name) => registry.services.get(name) as Service);
  const envs = new Set(services.map(({ env }) => env));
  // Keys of our own go before: a scope tag may be called owner.
  const ours = ['cuj', 'cuj-environment', 'managed-by', 'owner', 'tier'];
  const scope = new Set(
    services
      .flatMap(({ tags = [] }) => tags.filter(({ key }) => !ours.includes(key)))
      .map(({ key, value }) => `${key}:${value}`),
  );
  const pairs: [string, string][] = [
    ['cuj', cuj.name],
    ...(cuj.environment === undefined
      ? []
      : [['cuj-environment', cuj.environment] satisfies [string, string]]),
    ...[...envs].sort().map((env): [string, string] => ['env', env]),
    ['managed-by', 'cuj-gate'],
    ['owner', normalizeTagValue(cuj.owner)],
    ...[...cuj.services].sort().map((service): [string, string] => ['service', service]),
    ['tier', String(cuj.tier)],
  ];
  return [
    ...pairs.filter(([, value]) => isSafeTagValue(value)).map(([key, value]) => `${key}:${value}`),
    ...[...scope].sort(),
  ];
}
