import { versionSelectorOfBatch } from '../backtest/versions.ts';
import { hourMs } from '../domain/duration.ts';
import type { ReadVersions, SeenVersion, VersionsOfService } from '../domain/ports/release-history.ts';
import type { QueryBatch, Registry } from '../domain/registry/model.ts';
import type { PagePorts } from '../http/pages/page-ports.ts';
import type { Settings } from '../settings/settings.ts';
import type { ReadTagHits } from './backend.ts';
import type { Source } from './compose-metrics-source.ts';

/** Wires what pages need besides the evaluator. */
export function openPages(
  { publicUrl, basePath }: Pick<Settings, 'publicUrl' | 'basePath'>,
  { pages, tagHits, readBudgets }: Pick<Source, 'pages' | 'tagHits' | 'readBudgets'>,
  registry: () => Registry,
): PagePorts {
  return {
    basePath,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    links: pages,
    ...(readBudgets === undefined ? {} : { readBudgets }),
    ...(tagHits === undefined ? {} : { readVersions: versionsBy(tagHits, registry) }),
  };
}

/** A version with fewer requests than this in a span is a crawler's or a typing error, and no release. */
const minRequests = 10;

function versionsBy(tagHits: ReadTagHits, registry: () => Registry): ReadVersions {
  return async (services, fromMs, toMs, signal) => {
    const { batchOfService } = registry();
    const batches = new Set(services.flatMap((name) => batchOfService.get(name) ?? []));
    const found: VersionsOfService[] = [];
    // One after the other: what is being decided comes first.
    for (const batch of batches) found.push(...(await versionsOfBatch(tagHits, batch, fromMs, toMs, signal)));
    return found.filter(({ service }) => services.includes(service));
  };
}

async function versionsOfBatch(
  tagHits: ReadTagHits,
  batch: QueryBatch,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<VersionsOfService[]> {
  const names = batch.services.map(({ service }) => service.name);
  const selector = versionSelectorOfBatch(batch);
  if ('why' in selector)
    return names.map((service) => ({ service, versions: [], param: undefined, unknown: selector.why }));
  const hits = await tagHits(batch, selector.key, fromMs, toMs, signal);
  return names.map((service) => {
    const versions = [...(hits.get(service) ?? [])]
      .map(([version, counts]) => seen(version, counts, fromMs))
      .filter(({ requests }) => requests >= minRequests)
      .sort((a, b) => b.firstMs - a.firstMs);
    return { service, versions, param: selector.param };
  });
}

function seen(version: string, counts: ArrayLike<number>, fromMs: number): SeenVersion {
  const hours = Array.from(counts);
  const first = hours.findIndex((count) => count > 0);
  const last = hours.findLastIndex((count) => count > 0);
  return {
    version,
    firstMs: fromMs + first * hourMs,
    lastMs: fromMs + (last + 1) * hourMs,
    requests: hours.reduce((sum, count) => sum + count, 0),
    isOlder: first === 0,
  };
}
