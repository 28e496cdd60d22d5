import { versionSelectorOfBatch } from '../backtest/versions.ts';
import { hourMs } from '../domain/duration.ts';
import type { ReadTagHits } from '../domain/ports/backend.ts';
import type { ReadVersions, SeenVersion, VersionsOfService } from '../domain/ports/release-history.ts';
import type { QueryBatch, Registry } from '../domain/registry/model.ts';

/** A version with fewer requests than this in a span is a crawler's or a typing error, and no release. */
const minRequests = 10;

/** The versions of services by the hits of their backends. */
export function versionsBy(
  tagHits: (batch: QueryBatch) => ReadTagHits | undefined,
  registry: () => Registry,
): ReadVersions {
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
