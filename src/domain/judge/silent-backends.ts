import type { Measurement } from '../metrics/metrics-source.ts';
import type { BackendWords } from '../registry/source-dialect.ts';
import { allSlis } from '../sli/by-sli.ts';

/** A backend that answered, and knows of no event on the endpoints that it measures. */
export interface SilentBackend {
  readonly backend: BackendWords;
  readonly services: readonly string[];
}

/**
 * The first backend without any event on either side in all that was queried. A half of a journey that nobody counts, as where a scrape
 * or a name was changed, looks as one that nobody uses: what the other backends count is no pass of it.
 */
export function silentBackendOf(
  measurement: Measurement,
  backendOf: Readonly<Record<string, BackendWords>>,
): SilentBackend | undefined {
  const endpoints = allSlis(measurement).flatMap(({ service, canary, stable }) => {
    const words = backendOf[service];
    const hasEvents = [canary, stable].some(({ total }) => total.some((count) => count > 0));
    return words === undefined ? [] : [{ service, words, hasEvents }];
  });
  const heard = new Set(endpoints.flatMap(({ words, hasEvents }) => (hasEvents ? words.backend : [])));
  const silent = endpoints.filter(({ words }) => !heard.has(words.backend));
  const backend = silent[0]?.words;
  if (backend === undefined) return undefined;
  const own = silent.filter(({ words }) => words.backend === backend.backend);
  return { backend, services: [...new Set(own.map(({ service }) => service))] };
}
