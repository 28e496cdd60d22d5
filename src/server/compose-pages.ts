import { versionSelectorOfBatch } from '../backtest/versions.ts';
import { hourMs } from '../domain/duration.ts';
import type { ReadTagHits } from '../domain/ports/backend.ts';
import type { ReadVersions, SeenVersion, VersionsOfService } from '../domain/ports/release-history.ts';
import type { QueryBatch, Registry } from '../domain/registry/model.ts';
import { availability } from '../domain/sli/availability.ts';
import { endpointKey, type PagePorts } from '../http/pages/page-ports.ts';
import type { Settings } from '../settings/settings.ts';
import type { Source } from './compose-metrics-source.ts';

/** Wires what pages need besides the evaluator. */
export function openPages(
  { publicUrl, basePath }: Pick<Settings, 'publicUrl' | 'basePath'>,
  source: Pick<Source, 'pages' | 'tagHits' | 'traffic' | 'readBudgetsWithRecent'>,
  registry: () => Registry,
): PagePorts {
  const { pages, tagHits, traffic, readBudgetsWithRecent: readBudgets } = source;
  return {
    basePath,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    links: pages,
    ...(readBudgets === undefined ? {} : { readBudgets: readBudgets(registry) }),
    ...(traffic === undefined ? {} : { readTraffic: trafficBy(traffic, registry) }),
    ...(tagHits === undefined ? {} : { readVersions: versionsBy(tagHits, registry) }),
  };
}

function trafficBy(
  traffic: NonNullable<Source['traffic']>,
  registry: () => Registry,
): NonNullable<PagePorts['readTraffic']> {
  return async (cuj, fromMs, toMs, signal) => {
    const { batchOfService } = registry();
    const requests = new Map<string, number>();
    for (const batch of new Set(cuj.services.flatMap((name) => batchOfService.get(name) ?? []))) {
      // Requests that their backend does not tell are unknown.
      const counts = await traffic(batch)?.(batch, fromMs, toMs, signal);
      for (const endpoint of cuj.endpoints) {
        const { service, resource } = endpoint;
        const of = counts?.get(service);
        const series = of && availability.seriesOf(of, endpoint);
        if (of !== undefined)
          requests.set(
            endpointKey(service, resource),
            series?.total.reduce((sum, count) => sum + count, 0) ?? 0,
          );
      }
    }
    return requests;
  };
}

/** A version with fewer requests than this in a span is a crawler's or a typing error, and no release. */
const minRequests = 10;

function versionsBy(tagHits: NonNullable<Source['tagHits']>, registry: () => Registry): ReadVersions {
  return async (services, fromMs, toMs, signal) => {
    const { batchOfService } = registry();
    const batches = new Set(services.flatMap((name) => batchOfService.get(name) ?? []));
    const found: VersionsOfService[] = [];
    // One after the other: what is being decided comes first.
    for (const batch of batches)
      found.push(...(await versionsOfBatch(tagHits(batch), batch, fromMs, toMs, signal)));
    return found.filter(({ service }) => services.includes(service));
  };
}

async function versionsOfBatch(
  tagHits: ReadTagHits | undefined,
  batch: QueryBatch,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<VersionsOfService[]> {
  const names = batch.services.map(({ service }) => service.name);
  if (tagHits === undefined) {
    const { backend } = (batch.services[0] as QueryBatch['services'][number]).service.dialect;
    const unknown = `${backend} does not tell which versions there were`;
    return names.map((service) => ({ service, versions: [], param: undefined, unknown }));
  }
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
