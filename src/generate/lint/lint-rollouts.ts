import type { Registry } from '../../domain/registry-model.ts';
import { checkCanary } from './canary-checks.ts';
import type { LintFinding, Report } from './finding.ts';
import { asksTheGate, checkMetric, gatePath } from './metric-checks.ts';
import { type Place, placesIn } from './place.ts';
import { type Analysis, type RolloutParts, rolloutParts } from './rollout-parts.ts';
import { checkTiming, lagOf, type Shortfall, type TimingOptions } from './timing-checks.ts';

export interface LintInput {
  readonly file: string;
  readonly text: string;
}

export interface LintResult {
  /** Names of the Rollouts that were looked at. */
  readonly rollouts: readonly string[];
  /** By file and line. */
  readonly findings: readonly LintFinding[];
}

/**
 * What in some Rollouts would make their analysis useless. Templates and Deployments are looked up in the same files;
 * other documents are passed over. Pure.
 */
export function lintRollouts(inputs: readonly LintInput[], options: TimingOptions): LintResult {
  const found = new Map<string, LintFinding>();
  const report: Report = (severity, rule, at, message, meaning, fix) => {
    const { file, line, column } = at;
    // A template that two analyses use has its own mistakes once.
    found.set(`${file}:${line}:${rule}:${message}`, {
      severity,
      rule,
      file,
      line,
      column,
      message,
      meaning,
      fix,
    });
  };
  const documents: Place[] = [];
  for (const { file, text } of inputs) {
    const { documents: read, unreadable } = placesIn(file, text);
    documents.push(
      ...read.flatMap((place) => (place.at('kind').text === 'List' ? place.at('items').items : [place])),
    );
    for (const { place, message } of unreadable) {
      report(
        'error',
        'yaml',
        place,
        `This cannot be read: ${message}.`,
        'Nothing in this document was checked.',
        'Correct the YAML.',
      );
    }
  }
  const ofKind = (kind: string) => documents.filter((place) => place.at('kind').text === kind);
  const rollouts = ofKind('Rollout').map(rolloutParts);
  const templates = {
    own: byName(ofKind('AnalysisTemplate')),
    cluster: byName(ofKind('ClusterAnalysisTemplate')),
  };
  const deployments = byName(ofKind('Deployment'));
  for (const rollout of rollouts) checkRollout(rollout, templates, deployments, options, report);
  return {
    rollouts: rollouts.map(({ name }) => name),
    findings: [...found.values()].sort((a, b) =>
      a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column,
    ),
  };
}

interface Templates {
  readonly own: ReadonlyMap<string, Place>;
  readonly cluster: ReadonlyMap<string, Place>;
}

function byName(places: readonly Place[]): Map<string, Place> {
  return new Map(places.map((place) => [place.at('metadata', 'name').text ?? '', place]));
}

function checkRollout(
  rollout: RolloutParts,
  templates: Templates,
  deployments: ReadonlyMap<string, Place>,
  options: TimingOptions,
  report: Report,
): void {
  const { place, name, analyses, weights, canary } = rollout;
  const strategy = place.at('spec', 'strategy', 'canary');
  if (analyses.length === 0) {
    report(
      'error',
      'no-analysis',
      place.at('spec', 'strategy'),
      `Rollout "${name}" has no analysis at all.`,
      'A broken release reaches everybody, step by step.',
      'Add a background analysis of the CUJs and a gate step: cuj-gate generate rollout shows both.',
    );
    return;
  }
  if (canary && !analyses.some(({ use }) => use === 'gate')) {
    report(
      'warning',
      'no-gate',
      strategy.at('analysis'),
      `Rollout "${name}" has a background analysis only.`,
      'It trips, but it proves nothing: Argo calls a run that ends with the steps Successful, even without one measurement.',
      'Add a step with a gate template before the last weight.',
    );
  }
  if (canary && !analyses.some(({ use }) => use === 'watch')) {
    report(
      'warning',
      'no-watch',
      strategy.at('steps'),
      `Rollout "${name}" has no background analysis.`,
      'Between its analysis steps nobody looks.',
      'Add spec.strategy.canary.analysis with watch templates.',
    );
  }
  for (const { place: at, percent } of weights) {
    if (options.requestsPerMinute !== undefined || percent >= 5 || percent <= 0) continue;
    report(
      'warning',
      'weight-too-low',
      at,
      `setWeight ${percent} gives the canary one request in ${Math.round(100 / percent)}.`,
      'A small journey may see a handful of requests: nothing can be known of it.',
      'Set 10 or more, or say --requests-per-minute to have it worked out.',
    );
  }
  const pods = podsOf(rollout, deployments);
  let asked = false;
  let all = true;
  for (const analysis of analyses) {
    const used = resolve(analysis, templates, report);
    let worst: Shortfall | undefined;
    all &&= used.length === analysis.templates.length;
    for (const template of used) {
      checkCanary(rollout, analysis, template, pods, report);
      for (const metric of template.at('spec', 'metrics').items) {
        const usedMetric = { place: metric, name: metric.at('name').text ?? '(no name)', use: analysis.use };
        checkMetric(usedMetric, lagOf(metric, options), report);
        if (!asksTheGate(metric)) continue;
        asked = true;
        checkKnown(metric, options.registry, report);
        const shortfall = checkTiming(rollout, analysis, usedMetric, options, report);
        if (shortfall !== undefined && shortfall.seconds > (worst?.seconds ?? 0)) worst = shortfall;
      }
    }
    worst?.say();
  }
  if (!asked && all) {
    report(
      'warning',
      'gate-not-asked',
      analyses[0]?.place ?? place,
      `No metric of Rollout "${name}" asks cuj-gate.`,
      'Its Critical User Journeys are not judged.',
      'Add the templates of cuj-gate generate analysis-templates.',
    );
  }
}

function resolve(analysis: Analysis, templates: Templates, report: Report): Place[] {
  return analysis.templates.flatMap(({ name, cluster, place }) => {
    const template = (cluster ? templates.cluster : templates.own).get(name);
    if (template !== undefined) return [template];
    const kind = cluster ? 'ClusterAnalysisTemplate' : 'AnalysisTemplate';
    report(
      'warning',
      'template-not-given',
      place,
      `${kind} "${name}" is not among the files.`,
      'Its conditions and limits were not checked.',
      'Give its file as well.',
    );
    return [];
  });
}

function checkKnown(metric: Place, registry: Registry | undefined, report: Report): void {
  const asked = gatePath(metric);
  if (registry === undefined || asked === undefined || asked.name.includes('{{')) return;
  const known = asked.of === 'cuj' ? registry.cujs : registry.services;
  if (known.has(asked.name)) return;
  report(
    'error',
    'unknown-cuj',
    metric.at('provider', 'web', 'url'),
    `The registry has no ${asked.of === 'cuj' ? 'CUJ' : 'service'} "${asked.name}".`,
    'The gate answers 404; enough of them abort the rollout.',
    'Correct the name, or add it to the registry.',
  );
}

/** The pod template, also where the Rollout takes it from a Deployment. */
function podsOf({ place }: RolloutParts, deployments: ReadonlyMap<string, Place>): Place | undefined {
  const own = place.at('spec', 'template');
  if (own.exists) return own;
  const referred = place.at('spec', 'workloadRef', 'name').text;
  return referred === undefined ? undefined : deployments.get(referred)?.at('spec', 'template');
}
