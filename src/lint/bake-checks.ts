import type { Report } from './finding.ts';
import type { RolloutParts } from './rollout-parts.ts';

/**
 * Whether a bake can return to stable at once. With traffic routing and without `dynamicStableScale`, Argo keeps all stable
 * pods until the end; otherwise it removes as many as the canary has taken over.
 */
export function checkBake({ place, name, bake }: RolloutParts, report: Report): void {
  if (bake === undefined) return;
  const canary = place.at('spec', 'strategy', 'canary');
  const dynamic = canary.at('dynamicStableScale');
  const isRouted = canary.at('trafficRouting').keys.length > 0;
  if (isRouted && dynamic.text !== 'true') return;
  report(
    'warning',
    'bake-cannot-return',
    isRouted ? dynamic : bake.place,
    `Rollout "${name}" pauses at ${bake.percent}% after its gate, ${isRouted ? 'with dynamicStableScale' : 'without traffic routing'}: most of the stable pods are gone by then.`,
    'An abort takes minutes: the traffic returns only as fast as new stable pods start.',
    isRouted ? 'Remove dynamicStableScale.' : 'Use trafficRouting, without dynamicStableScale.',
  );
}
