import type { Place } from './yaml-node.ts';

/** How an analysis runs: beside the steps, or as something that the rollout waits for. */
export type Use = 'watch' | 'gate';

/** A template by its name, where it is named. */
export interface TemplateRef {
  readonly name: string;
  readonly cluster: boolean;
  readonly place: Place;
}

/** One analysis of a Rollout. */
export interface Analysis {
  readonly use: Use;
  readonly place: Place;
  readonly templates: readonly TemplateRef[];
  readonly args: readonly { readonly name: string; readonly place: Place }[];
  /** Canary weight in percent when it begins; undefined where it does not depend on steps. */
  readonly weight: number | undefined;
  /** How long the canary has traffic before a gate begins, or while a watch runs. */
  readonly traffic: Traffic;
}

/** Canary traffic over some steps; Infinity for a pause without an end. */
export interface Traffic {
  readonly seconds: number;
  /** Seconds in which all of the traffic would have been as much: a minute at 25% is 15. */
  readonly fullSeconds: number;
}

/** A step that gives the canary a weight. */
export interface SetWeight {
  readonly place: Place;
  readonly percent: number;
}

/** From this percentage on, stable has next to no traffic, and a pause is there to watch the canary with all of it. */
const minBakeWeight = 90;

/** What a Rollout does in time. */
export interface RolloutParts {
  readonly place: Place;
  readonly name: string;
  readonly analyses: readonly Analysis[];
  /** Of canary steps. */
  readonly weights: readonly SetWeight[];
  /** The weight of the first pause with nearly all of the traffic that comes after a gate. */
  readonly bake: SetWeight | undefined;
  readonly canary: boolean;
  /** Steps that are experiments with analyses of their own, which are not looked at. */
  readonly experiments: readonly Place[];
}

/** Reads a Rollout of either strategy. */
export function rolloutParts(place: Place): RolloutParts {
  const name = place.at('metadata', 'name').text ?? '(no name)';
  const blueGreen = place.at('spec', 'strategy', 'blueGreen');
  if (blueGreen.exists) {
    const analyses = [
      // Before promotion only the preview service reaches the new pods.
      ...optional(blueGreen.at('prePromotionAnalysis'), 0, none),
      ...optional(blueGreen.at('postPromotionAnalysis'), 100, endless),
    ];
    return { place, name, analyses, weights: [], bake: undefined, canary: false, experiments: [] };
  }
  const canary = place.at('spec', 'strategy', 'canary');
  const steps = readSteps(canary.at('steps'));
  const background = canary.at('analysis');
  const start = background.at('startingStep').number ?? 0;
  const watch = hasTemplates(background)
    ? [analysis(background, 'watch', undefined, steps.trafficFrom(start))]
    : [];
  return {
    place,
    name,
    analyses: [...watch, ...steps.analyses],
    weights: steps.weights,
    bake: steps.bake,
    canary: true,
    experiments: steps.experiments,
  };
}

const none: Traffic = { seconds: 0, fullSeconds: 0 };
const endless: Traffic = { seconds: Number.POSITIVE_INFINITY, fullSeconds: Number.POSITIVE_INFINITY };

/** Argo takes an analysis of no templates for none. */
function hasTemplates(place: Place): boolean {
  return place.at('templates').items.length > 0;
}

function optional(place: Place, weight: number, traffic: Traffic): Analysis[] {
  return hasTemplates(place) ? [analysis(place, 'gate', weight, traffic)] : [];
}

function analysis(place: Place, use: Use, weight: number | undefined, traffic: Traffic): Analysis {
  return {
    use,
    place,
    templates: templateRefs(place.at('templates')),
    args: place.at('args').items.map((item) => ({ name: item.at('name').text ?? '', place: item })),
    weight,
    traffic,
  };
}

/** The templates that an analysis, or a template of templates, names. */
export function templateRefs(place: Place): TemplateRef[] {
  return place.items.map((item) => ({
    name: item.at('templateName').text ?? '',
    cluster: item.at('clusterScope').text === 'true',
    place: item.at('templateName'),
  }));
}

function readSteps(steps: Place) {
  const weights: SetWeight[] = [];
  let bake: SetWeight | undefined;
  const analyses: Analysis[] = [];
  const experiments: Place[] = [];
  const waits: Traffic[] = [];
  let weight = 0;
  // By a header or a mirror, traffic has no weight, so its amount is unknown here.
  let routed = false;
  for (const step of steps.items) {
    const set = step.at('setWeight').number;
    let wait = 0;
    if (set !== undefined) {
      weight = set;
      weights.push({ place: step.at('setWeight'), percent: set });
    } else if (step.keys.includes('pause')) {
      const duration = step.at('pause', 'duration').text;
      wait = duration === undefined ? Number.POSITIVE_INFINITY : (seconds(duration) ?? 0);
      if (wait > 0 && weight >= minBakeWeight && analyses.length > 0) bake ??= weights.at(-1);
    } else if (hasTemplates(step.at('analysis'))) {
      const alone = weight === 0 && routed;
      analyses.push(
        analysis(step.at('analysis'), 'gate', alone ? undefined : weight, alone ? endless : sum(waits)),
      );
    } else if (step.at('experiment', 'analyses').exists) {
      experiments.push(step.at('experiment', 'analyses'));
    } else if (step.at('setHeaderRoute').exists || step.at('setMirrorRoute').exists) {
      routed = true;
    }
    waits.push(weight > 0 ? { seconds: wait, fullSeconds: (wait * weight) / 100 } : none);
  }
  return { weights, bake, analyses, experiments, trafficFrom: (start: number) => sum(waits.slice(start)) };
}

function sum(waits: readonly Traffic[]): Traffic {
  return waits.reduce(
    (all, each) => ({ seconds: all.seconds + each.seconds, fullSeconds: all.fullSeconds + each.fullSeconds }),
    none,
  );
}

/** Seconds of a duration as Argo takes it: `5m`, `1h30m`, `300`, `1.5h`. */
export function seconds(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const units = { h: 3600, m: 60, s: 1, ms: 0.001 } as const;
  const parts = [...text.matchAll(/(?<![\d.])(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return undefined;
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit as keyof typeof units], 0);
}
