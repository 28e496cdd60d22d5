import type { Report } from './finding.ts';
import type { RolloutParts } from './rollout-parts.ts';
import { type ByName, named } from './templates.ts';
import type { Place } from './yaml-node.ts';

/**
 * Whether Istio repeats requests that the canary has answered with an error. The gate counts what the canary serves, so each
 * attempt counts. Attempts after which no response came (`connect-failure`, `refused-stream`) were not served, and are not meant.
 */
export function checkRetries({ place }: RolloutParts, virtualServices: ByName, report: Report): void {
  const istio = place.at('spec', 'strategy', 'canary', 'trafficRouting', 'istio');
  const used = [istio.at('virtualService'), ...istio.at('virtualServices').items].filter(
    ({ exists }) => exists,
  );
  for (const reference of used) {
    // Argo takes NAME.NAMESPACE as well.
    const name = (reference.at('name').text ?? '').split('.')[0] as string;
    const found = named(virtualServices, name, place);
    if (found === undefined) continue;
    const routes = reference.at('routes').items.map(({ text }) => text);
    for (const http of found.at('spec', 'http').items) {
      const route = http.at('name').text;
      if (routes.length > 0 && !routes.includes(route)) continue;
      checkRoute(
        http,
        `${route === undefined ? 'A route' : `Route "${route}"`} of VirtualService "${name}"`,
        report,
      );
    }
  }
}

function checkRoute(http: Place, route: string, report: Report): void {
  const retries = http.at('retries');
  const attempts = retries.at('attempts').number ?? 0;
  const on = (retries.at('retryOn').text ?? '').split(',').map((each) => each.trim());
  const answered = on.filter((each) => /^(5xx|5\d\d|gateway-error|retriable-status-codes)$/i.test(each));
  if (attempts < 1 || answered.length === 0) return;
  report(
    'warning',
    'retries-count',
    retries.at('retryOn'),
    `${route} repeats requests that were answered with an error (${answered.join(', ')}), up to ${attempts} ${attempts === 1 ? 'time' : 'times'}.`,
    `One failure of a user can count as ${attempts + 1} failures of the canary, and failures that a retry corrects count although no user sees them.`,
    'Repeat only what was not served: retryOn: connect-failure,refused-stream,unavailable,cancelled. Or keep it, knowing that the gate judges attempts.',
  );
}
