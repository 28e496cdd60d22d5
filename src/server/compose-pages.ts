import type { Registry } from '../domain/registry/model.ts';
import { availability } from '../domain/sli/availability.ts';
import { endpointKey, type PagePorts } from '../http/pages/page-ports.ts';
import type { Settings } from '../settings/settings.ts';
import type { Source } from './compose-metrics-source.ts';
import { versionsBy } from './versions-of-services.ts';

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
