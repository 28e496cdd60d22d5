import type { Place } from './place.ts';

/** How an analysis runs: beside the steps, or as something that the rollout waits for. */
export type Use = 'watch' | 'gate';

/** One analysis of a Rollout. */
export interface Analysis {
  readonly use: Use;
  readonly place: Place;
  readonly templates: readonly { readonly name: string; readonly cluster: boolean; readonly place: Place }[];
  readonly args: readonly { readonly name: string; readonly place: Place }[];
  /** Canary weight in percent when it begins; undefined where it does not depend on steps. */
  readonly weight: number | undefined;
  /** Seconds with canary traffic until its last look; Infinity for a pause without an end. */
  readonly trafficSeconds: number;
}

/** What a Rollout does in time. */
export interface RolloutParts {
  readonly place: Place;
  readonly name: string;
  readonly analyses: readonly Analysis[];
  /** Of canary steps. */
  readonly weights: readonly { readonly place: Place; readonly percent: number }[];
  /** Seconds with canary traffic before all of it is the canary's. */
  readonly canarySeconds: number;
  readonly canary: boolean;
}

/** Reads a Rollout of either strategy. */
export function rolloutParts(place: Place): RolloutParts {
  const name = place.at('metadata', 'name').text ?? '(no name)';
  const blueGreen = place.at('spec', 'strategy', 'blueGreen');
  if (blueGreen.exists) {
    const analyses = [
      // Before promotion only the preview service reaches the new pods.
      ...optional(blueGreen.at('prePromotionAnalysis'), 0),
      ...optional(blueGreen.at('postPromotionAnalysis'), 100),
    ];
    return { place, name, analyses, weights: [], canarySeconds: Number.POSITIVE_INFINITY, canary: false };
  }
  const canary = place.at('spec', 'strategy', 'canary');
  const steps = readSteps(canary.at('steps'));
  const background = canary.at('analysis');
  const start = background.at('startingStep').number ?? 0;
  const watch = background.at('templates').exists
    ? [analysis(background, 'watch', undefined, steps.secondsFrom(start))]
    : [];
  return {
    place,
    name,
    analyses: [...watch, ...steps.analyses],
    weights: steps.weights,
    canarySeconds: steps.secondsFrom(0),
    canary: true,
  };
}

function optional(place: Place, weight: number): Analysis[] {
  return place.at('templates').exists
    ? [analysis(place, 'gate', weight, weight === 0 ? 0 : Number.POSITIVE_INFINITY)]
    : [];
}

function analysis(place: Place, use: Use, weight: number | undefined, trafficSeconds: number): Analysis {
  return {
    use,
    place,
    templates: place.at('templates').items.map((item) => ({
      name: item.at('templateName').text ?? '',
      cluster: item.at('clusterScope').text === 'true',
      place: item.at('templateName'),
    })),
    args: place.at('args').items.map((item) => ({ name: item.at('name').text ?? '', place: item })),
    weight,
    trafficSeconds,
  };
}

function readSteps(steps: Place) {
  const weights: { place: Place; percent: number }[] = [];
  const analyses: Analysis[] = [];
  /** Seconds with canary traffic that each step waits. */
  const waits: number[] = [];
  let weight = 0;
  for (const step of steps.items) {
    const set = step.at('setWeight').number;
    let wait = 0;
    if (set !== undefined) {
      weight = set;
      weights.push({ place: step.at('setWeight'), percent: set });
    } else if (step.at('pause').exists || step.keys.includes('pause')) {
      const duration = step.at('pause', 'duration').text;
      wait = duration === undefined ? Number.POSITIVE_INFINITY : (seconds(duration) ?? 0);
    } else if (step.at('analysis').exists) {
      const before = waits.reduce((sum, each) => sum + each, 0);
      analyses.push(analysis(step.at('analysis'), 'gate', weight, before));
    }
    waits.push(weight > 0 && weight < 100 ? wait : 0);
  }
  return {
    weights,
    analyses,
    secondsFrom: (start: number) => waits.slice(start).reduce((sum, each) => sum + each, 0),
  };
}

/** Seconds of a duration as Argo takes it: `5m`, `1h30m`, `300`, `1.5h`. */
export function seconds(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const units = { h: 3600, m: 60, s: 1, ms: 0.001 } as const;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return undefined;
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit as keyof typeof units], 0);
}
