import { cujCalled, type Registry } from '../domain/registry/model.ts';
import { checkAddress } from './address-checks.ts';
import { checkBake } from './bake-checks.ts';
import { checkCanary } from './canary-checks.ts';
import type { LintFinding, LintInput, Report } from './finding.ts';
import { asksTheGate, checkMetric, gatePath } from './metric-checks.ts';
import { checkRetries } from './retry-checks.ts';
import { type RolloutParts, rolloutParts } from './rollout-parts.ts';
import {
  type ByName,
  byName,
  checkDryRun,
  checkNames,
  literalArgs,
  podsOf,
  resolve,
  type Templates,
} from './templates.ts';
import { checkTiming, type Shortfall, type TimingOptions } from './timing-checks.ts';
import { type Place, placesIn } from './yaml-node.ts';

export interface LintResult {
  /** Names of the Rollouts that were checked. */
  readonly rollouts: readonly string[];
  /** By file and line. */
  readonly findings: readonly LintFinding[];
}

/**
 * Mistakes in Rollouts that make their analysis useless. Templates and Deployments are looked up in the same files;
 * other documents are ignored. Pure.
 */
export function lintRollouts(inputs: readonly LintInput[], options: TimingOptions): LintResult {
  const found = new Map<string, LintFinding>();
  const report: Report = (severity, rule, at, message, meaning, fix) => {
    const { file, line, column } = at;
    // The mistakes of a template are reported once, even if two analyses use it.
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
    documents.push(...read);
    for (const { place, message, fix } of unreadable) {
      report(
        'error',
        'yaml',
        place,
        `This cannot be read: ${message}.`,
        'Nothing in this document was checked.',
        fix,
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
  const virtualServices = byName(ofKind('VirtualService'));
  for (const rollout of rollouts) {
    checkRetries(rollout, virtualServices, report);
    checkRollout(rollout, templates, deployments, options, report);
  }
  return {
    rollouts: rollouts.map(({ name }) => name),
    findings: [...found.values()].sort((a, b) =>
      a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column,
    ),
  };
}

function checkRollout(
  rollout: RolloutParts,
  templates: Templates,
  deployments: ByName,
  options: TimingOptions,
  report: Report,
): void {
  const { place, name, analyses, weights, canary } = rollout;
  const strategy = place.at('spec', 'strategy', 'canary');
  if (analyses.length === 0 && rollout.experiments[0] !== undefined) {
    report(
      'warning',
      'only-experiments',
      rollout.experiments[0],
      `Rollout "${name}" has only analyses of an experiment, which are not checked.`,
      'Their metrics and limits were not checked.',
      'Add a background analysis of the CUJs and an inline analysis step: cuj-gate generate rollout shows both.',
    );
    return;
  }
  if (analyses.length === 0) {
    report(
      'error',
      'no-analysis',
      place.at('spec', 'strategy'),
      `Rollout "${name}" has no analysis at all.`,
      'A broken release reaches all users, step by step.',
      'Add a background analysis of the CUJs and an inline analysis step: cuj-gate generate rollout shows both.',
    );
    return;
  }
  if (canary && !analyses.some(({ use }) => use === 'gate')) {
    report(
      'warning',
      'no-gate',
      strategy.at('analysis'),
      `Rollout "${name}" has a background analysis only.`,
      'It can abort, but proves nothing: Argo calls a run that ends with the steps Successful, even without a measurement.',
      'Add an inline analysis step with -gate templates before the last weight.',
    );
  }
  if (canary && !analyses.some(({ use }) => use === 'watch')) {
    report(
      'warning',
      'no-watch',
      strategy.at('steps'),
      `Rollout "${name}" has no background analysis.`,
      'Failures between its analysis steps are not detected.',
      'Add spec.strategy.canary.analysis with -watch templates.',
    );
  }
  for (const { place: at, percent } of weights) {
    if (options.requestsPerMinute !== undefined || percent >= 5 || percent <= 0) continue;
    report(
      'warning',
      'weight-too-low',
      at,
      `setWeight ${percent} gives the canary one request in ${Math.round(100 / percent)}.`,
      'A CUJ with little traffic may get too few requests for a verdict.',
      'Set 10 or more, or use --requests-per-minute to check it.',
    );
  }
  checkBake(rollout, report);
  const pods = podsOf(place, deployments);
  let asked = false;
  let all = true;
  for (const analysis of analyses) {
    const { used, complete } = resolve(rollout, analysis, templates, report);
    let worst: Shortfall | undefined;
    all &&= complete;
    checkNames(analysis, used, report);
    for (const template of used) {
      checkCanary(rollout, analysis, template, pods, options.registry, report);
      const args = literalArgs(analysis, template);
      for (const metric of template.at('spec', 'metrics').items) {
        const name = metric.at('name').text ?? '(no name)';
        const usedMetric = { place: metric, name, use: analysis.use, args };
        checkMetric(usedMetric, report);
        if (!asksTheGate(metric)) continue;
        asked = true;
        checkAddress(usedMetric, template, report);
        checkKnown(metric, options.registry, report);
        checkDryRun(name, analysis, used, report);
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
      `No metric of Rollout "${name}" uses cuj-gate.`,
      'Its Critical User Journeys are not judged.',
      'Add the templates of cuj-gate generate analysis-templates.',
    );
  }
}

function checkKnown(metric: Place, registry: Registry | undefined, report: Report): void {
  const asked = gatePath(metric);
  if (registry === undefined || asked === undefined || asked.name.includes('{{')) return;
  const cuj = asked.of === 'cuj' ? cujCalled(registry, asked.name) : undefined;
  if (cuj?.retired !== undefined) {
    report(
      'warning',
      'retired-cuj',
      metric.at('provider', 'web', 'url'),
      `The CUJ "${cuj.name}" is retired: ${cuj.retired}.`,
      'The gate answers inconclusive: an inline analysis step never passes, and Argo pauses the rollout.',
      'Remove this metric: generate the Rollout and the templates again.',
    );
    return;
  }
  if (cuj !== undefined && cuj.name !== asked.name) {
    report(
      'warning',
      'asks-by-alias',
      metric.at('provider', 'web', 'url'),
      `The CUJ "${asked.name}" is called "${cuj.name}" now.`,
      'The gate answers by the old name only for as long as it is an alias in the registry.',
      'Generate the templates again.',
    );
  }
  if (cuj !== undefined || (asked.of === 'service' && registry.services.has(asked.name))) return;
  report(
    'error',
    'unknown-cuj',
    metric.at('provider', 'web', 'url'),
    `The registry has no ${asked.of === 'cuj' ? 'CUJ' : 'service'} "${asked.name}".`,
    'The gate responds with 404, which is an error to Argo; enough errors abort the rollout.',
    'Correct the name, or add it to the registry.',
  );
}
