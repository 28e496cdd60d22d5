import type { BySli } from '../sli/by-sli.ts';
import { endpointsCountedBy } from '../sli/kind.ts';
import { type SliName, sliKinds, sliNames } from '../sli/table.ts';
import type { Cuj, Registry, Service } from './model.ts';
import type { SourceDialect } from './source-dialect.ts';

/** What one backend measures of a registry, and what it does not. */
export interface PartOfBackend {
  /** Its services, and the CUJs (or the SLIs of CUJs) of which it measures everything. */
  readonly registry: Registry;
  /** CUJs of which nothing is in it, in the order of the registry. */
  readonly leftOut: readonly Cuj[];
  /** SLIs that are not in it of CUJs that are, as `signup (client)`. */
  readonly leftOutSlis: readonly string[];
  /** Services that other backends measure, in the order of the registry. */
  readonly otherServices: readonly string[];
}

/** Whether one backend measures all services of a CUJ. */
export function isMeasuredBy(
  { dialect }: Pick<Service, 'dialect'>,
  { services }: Registry,
  cuj: Cuj,
): boolean {
  return cuj.services.every((name) => services.get(name)?.dialect === dialect);
}

/** The SLIs of a CUJ of which one backend measures every endpoint, in the order of the table. An SLI is never split. */
export function slisMeasuredBy(
  { dialect }: Pick<Service, 'dialect'>,
  { services }: Registry,
  cuj: Cuj,
): readonly SliName[] {
  return sliNames.filter((sli) => {
    if (cuj.objectives[sli] === undefined) return false;
    const counted = endpointsCountedBy(sliKinds[sli], cuj.endpoints);
    return counted.length > 0 && counted.every(({ service }) => services.get(service)?.dialect === dialect);
  });
}

/**
 * A CUJ with those of its SLIs that one backend measures, and their endpoints; undefined where there is none. What each SLI counts is
 * the same as in the whole CUJ.
 */
export function cujMeasuredBy(of: Pick<Service, 'dialect'>, registry: Registry, cuj: Cuj): Cuj | undefined {
  const slis = slisMeasuredBy(of, registry, cuj);
  if (slis.length === 0) return undefined;
  if (isMeasuredBy(of, registry, cuj)) return cuj;
  const endpoints = cuj.endpoints.filter((endpoint) =>
    slis.some((sli) => endpointsCountedBy(sliKinds[sli], [endpoint]).length > 0),
  );
  const only = <T>(all: BySli<T>): BySli<T> =>
    Object.fromEntries(Object.entries(all).filter(([sli]) => slis.includes(sli as SliName)));
  return {
    ...cuj,
    endpoints,
    services: cuj.services.filter((name) => endpoints.some(({ service }) => service === name)),
    objectives: only(cuj.objectives),
    sloIds: only(cuj.sloIds),
  };
}

/**
 * The part of a registry for what knows one backend only. Pure. By `cuj`, a CUJ is in it as a whole or not at all; by `sli`, so is each
 * SLI of a CUJ.
 */
export function partOfBackend(
  registry: Registry,
  dialect: SourceDialect,
  by: 'cuj' | 'sli' = 'cuj',
): PartOfBackend {
  const { cujs, services, batches, batchOfService, sources } = registry;
  const own = [...services].filter(([, service]) => service.dialect === dialect);
  if (own.length === services.size) return { registry, leftOut: [], leftOutSlis: [], otherServices: [] };
  const names = new Set(own.map(([name]) => name));
  const partOf = (cuj: Cuj) =>
    by === 'sli'
      ? cujMeasuredBy({ dialect }, registry, cuj)
      : isMeasuredBy({ dialect }, registry, cuj)
        ? cuj
        : undefined;
  const ofOther = new Set(
    [...services.values()].flatMap(({ name, source }) => (names.has(name) ? [] : source)),
  );
  const parts = [...cujs].map(([name, cuj]) => ({ name, cuj, part: partOf(cuj) }));
  return {
    registry: {
      ...registry,
      services: new Map(own),
      cujs: new Map(parts.flatMap(({ name, part }) => (part === undefined ? [] : [[name, part] as const]))),
      sources: new Map([...sources].filter(([name]) => !ofOther.has(name))),
      batches: batches.filter((batch) => batch.services.every(({ service }) => names.has(service.name))),
      batchOfService: new Map([...batchOfService].filter(([name]) => names.has(name))),
    },
    leftOut: parts.flatMap(({ cuj, part }) => (part === undefined ? cuj : [])),
    leftOutSlis: parts.flatMap(({ name, cuj, part }) =>
      part === undefined || part === cuj
        ? []
        : sliNames
            .filter((sli) => cuj.objectives[sli] !== undefined && part.objectives[sli] === undefined)
            .map((sli) => `${name} (${sli})`),
    ),
    otherServices: [...services.keys()].filter((name) => !names.has(name)),
  };
}

/** What was left out, for people: names of CUJs, and `signup (client)` for a single SLI. */
export function leftOutNames({ leftOut, leftOutSlis }: Pick<PartOfBackend, 'leftOut' | 'leftOutSlis'>) {
  return [...leftOut.map(({ name }) => name), ...leftOutSlis];
}
