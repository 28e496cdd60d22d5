import { runInNewContext } from 'node:vm';
import { nearestNames } from '../suggestions/nearest.ts';
import type { Report } from './finding.ts';
import { type Analysis, type RolloutParts, type TemplateRef, templateRefs } from './rollout-parts.ts';
import type { Place } from './yaml-node.ts';

/** Names that differ by this much are one, mistyped. */
const maxEdits = 2;

/** Several of one name where they lie in several namespaces. */
export type ByName = ReadonlyMap<string, readonly Place[]>;

export interface Templates {
  readonly own: ByName;
  readonly cluster: ByName;
}

export function byName(places: readonly Place[]): ByName {
  const found = new Map<string, Place[]>();
  for (const place of places) {
    const name = place.at('metadata', 'name').text ?? '';
    found.set(name, [...(found.get(name) ?? []), place]);
  }
  return found;
}

/** What a name means in a Rollout's namespace; where either has none, it is not known yet and may be meant. */
export function named(all: ByName, name: string, rollout: Place): Place | undefined {
  const places = all.get(name) ?? [];
  const namespaceOf = (place: Place) => place.at('metadata', 'namespace').text;
  const own = namespaceOf(rollout);
  const same = places.find((place) => namespaceOf(place) === own);
  return same ?? places.find((place) => own === undefined || namespaceOf(place) === undefined);
}

/** The pod template of a Rollout, also where the Rollout takes it from a Deployment. */
export function podsOf(place: Place, deployments: ByName): Place | undefined {
  const own = place.at('spec', 'template');
  if (own.exists) return own;
  const referred = place.at('spec', 'workloadRef', 'name').text;
  return referred === undefined ? undefined : named(deployments, referred, place)?.at('spec', 'template');
}

/** The templates of an analysis, with those that they are made of; `complete` where all of them are among the files. */
export function resolve(
  { place: rollout }: RolloutParts,
  analysis: Analysis,
  templates: Templates,
  report: Report,
): { readonly used: readonly Place[]; readonly complete: boolean } {
  const used = new Map<string, Place>();
  let complete = true;
  const add = (refs: readonly TemplateRef[]): void => {
    for (const { name, cluster, place } of refs) {
      const kind = cluster ? 'ClusterAnalysisTemplate' : 'AnalysisTemplate';
      // Argo takes a template once, however often it is named.
      if (used.has(`${kind} ${name}`)) continue;
      const [meant, other] = cluster
        ? [templates.cluster, templates.own]
        : [templates.own, templates.cluster];
      const elsewhere = named(other, name, rollout);
      const template = named(meant, name, rollout) ?? elsewhere;
      if (template !== undefined && template === elsewhere) {
        report(
          'error',
          'other-scope',
          place,
          `There is no ${kind} "${name}" among the files, but ${cluster ? 'an AnalysisTemplate' : 'a ClusterAnalysisTemplate'}.`,
          'Argo looks only for this kind, and refuses the Rollout.',
          cluster ? 'Remove clusterScope: true.' : 'Add clusterScope: true next to templateName.',
        );
      }
      if (template === undefined) {
        complete = false;
        const [near] = nearestNames(name, meant.keys(), { max: 1, maxEdits: () => maxEdits });
        report(
          'warning',
          'template-not-given',
          place,
          `${kind} "${name}" is not in the files.`,
          'Its conditions and limits were not checked.',
          near === undefined ? 'Include its file.' : `Did you mean "${near}"? Otherwise include its file.`,
        );
        continue;
      }
      used.set(`${kind} ${name}`, template);
      add(templateRefs(template.at('spec', 'templates')));
    }
  };
  add(analysis.templates);
  return { used: [...used.values()], complete };
}

/** Argo merges the metrics of all templates of an analysis, by their names. */
export function checkNames(analysis: Analysis, used: readonly Place[], report: Report): void {
  const seen = new Map<string, string>();
  for (const template of used) {
    const of = template.at('metadata', 'name').text ?? '';
    for (const metric of template.at('spec', 'metrics').items) {
      const name = metric.at('name').text ?? '';
      const other = seen.get(name);
      seen.set(name, of);
      if (other === undefined || other === of) continue;
      report(
        'error',
        'metric-twice',
        analysis.place,
        `The templates "${other}" and "${of}" of one analysis both have a metric "${name}".`,
        'Argo refuses the Rollout.',
        'Remove one of them: -watch templates belong in the background analysis, -gate templates in an inline analysis step.',
      );
    }
  }
}

/** A metric in dry-run mode is measured, and its result is ignored. */
export function checkDryRun(
  metric: string,
  analysis: Analysis,
  used: readonly Place[],
  report: Report,
): void {
  for (const from of [
    analysis.place.at('dryRun'),
    ...used.map((template) => template.at('spec', 'dryRun')),
  ]) {
    for (const { place, pattern } of from.items.map((item) => ({
      place: item.at('metricName'),
      pattern: item.at('metricName').text ?? '',
    }))) {
      if (!matches(pattern, metric)) continue;
      report(
        'error',
        'dry-run',
        place,
        `Metric "${metric}" is in dry-run mode.`,
        'Argo ignores its results: no FAIL ever aborts the rollout.',
        'Remove dryRun. For report-only mode, set mode: observe for the CUJ in the registry.',
      );
    }
  }
}

/** How long a pattern of somebody's file may take, in ms. */
const patternMs = 200;

/** By a regular expression of Go's, which may be one that this engine does not take: then by its letters. */
function matches(pattern: string, name: string): boolean {
  try {
    // In a context of its own, because only that can be ended: Go's engine takes linear time for what this one may not.
    return (
      runInNewContext('new RegExp(pattern).test(name)', { pattern, name }, { timeout: patternMs }) === true
    );
  } catch {
    return pattern === name;
  }
}

/** What stands in the files: the Rollout's value for an argument, else the template's default. */
export function literalArgs(analysis: Analysis, template: Place): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const arg of [...template.at('spec', 'args').items, ...analysis.args.map(({ place }) => place)]) {
    const name = arg.at('name').text ?? '';
    const { text } = arg.at('value');
    if (text !== undefined) values.set(name, text);
    else if (arg.at('valueFrom').exists) values.delete(name);
  }
  return values;
}
