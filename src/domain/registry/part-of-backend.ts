import type { Cuj, Registry, Service } from './model.ts';
import type { SourceDialect } from './source-dialect.ts';

/** What one backend measures of a registry, and what it does not. */
export interface PartOfBackend {
  /** Its services, and the CUJs of which it measures everything. */
  readonly registry: Registry;
  /** CUJs that other backends measure, or measure a part of, in the order of the registry. */
  readonly leftOut: readonly Cuj[];
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

/** The part of a registry for what knows one backend only. A CUJ is in it as a whole or not at all. Pure. */
export function partOfBackend(registry: Registry, dialect: SourceDialect): PartOfBackend {
  const { cujs, services, batches, batchOfService, sources } = registry;
  const own = [...services].filter(([, service]) => service.dialect === dialect);
  if (own.length === services.size) return { registry, leftOut: [], otherServices: [] };
  const names = new Set(own.map(([name]) => name));
  const isOwn = (cuj: Cuj) => isMeasuredBy({ dialect }, registry, cuj);
  const ofOther = new Set(
    [...services.values()].flatMap(({ name, source }) => (names.has(name) ? [] : source)),
  );
  return {
    registry: {
      ...registry,
      services: new Map(own),
      cujs: new Map([...cujs].filter(([, cuj]) => isOwn(cuj))),
      sources: new Map([...sources].filter(([name]) => !ofOther.has(name))),
      batches: batches.filter((batch) => batch.services.every(({ service }) => names.has(service.name))),
      batchOfService: new Map([...batchOfService].filter(([name]) => names.has(name))),
    },
    leftOut: [...cujs.values()].filter((cuj) => !isOwn(cuj)),
    otherServices: [...services.keys()].filter((name) => !names.has(name)),
  };
}
