import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, CounterFacts, ServiceFacts, Shares } from '../domain/ports/backend-facts.ts';
import type { Service } from '../domain/registry/model.ts';
import { allWords } from '../domain/registry/own-words.ts';
import type { SelectorTemplate, SelectorTerm } from '../domain/registry/selector.ts';
import { nearestFirst, nearestLabel } from '../sources/prometheus/query/near-labels.ts';
import type { DoctorFinding } from './finding.ts';
import { count, named } from './words.ts';

/** Whether canary and stable can be told apart: the selectors' tags exist, have values, and more than one. */
export function checkSelectors(facts: BackendFacts, service: Service, found: ServiceFacts): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  const sides = [['canary', service.canary] as const, ['stable', service.stable] as const];
  const checked = new Set<string>();
  for (const [side, template] of sides) {
    for (const term of template?.terms ?? []) {
      const finding = checkTerm(facts, service, found, side, template as SelectorTemplate, term);
      if (finding !== undefined && !checked.has(`${finding.check} ${term.key}`)) {
        checked.add(`${finding.check} ${term.key}`);
        findings.push(finding);
      }
    }
  }
  if (findings.every(({ severity }) => severity !== 'error')) findings.push(...oneVersion(service, found));
  return findings;
}

function checkTerm(
  facts: BackendFacts,
  service: Service,
  found: ServiceFacts,
  side: 'canary' | 'stable',
  template: SelectorTemplate,
  term: SelectorTerm,
): DoctorFinding | undefined {
  // These select the scope itself: a value that replaces the service or the env is not among this service's tags.
  if (term.key === 'service' || term.key === 'env') return undefined;
  const values = found.selectorValues.get(term.key) ?? new Map();
  const about = named(service);
  if (values.size === 0) {
    const counter = facts.counters?.get(service.name);
    // A series that is there now, and that had no hit yet.
    if (counter !== undefined && valuesNow(counter, term.key).length > 0) return undefined;
    return {
      severity: 'error',
      check: 'selector-tag-missing',
      about,
      message:
        counter === undefined
          ? `no hit of ${service.name} carries the ${allWords(service.dialect).tag} ${term.key} of the ${side} selector "${template.text}"`
          : `no series of ${service.name} has the label ${term.key} of the ${side} selector "${template.text}"`,
      verdict: 'Inconclusive (no_data), always: the selector matches nothing.',
      fix:
        counter === undefined
          ? missingTagFix(facts, service, term.key)
          : missingLabelFix(counter, term.key, side),
    };
  }
  const matching = [...values.keys()].filter((value) => fits(term, value));
  if (matching.length > 0) return undefined;
  const fixed = term.parts.every((part) => typeof part === 'string');
  return {
    // A fixed value such as role:canary exists only during a rollout.
    severity: fixed ? 'warning' : 'error',
    check: 'selector-value-missing',
    about,
    message: `no value of ${term.key} fits "${textOf(term)}" of the ${side} selector; there are ${valuesText(values)}`,
    verdict: fixed
      ? `Inconclusive (no_data) while that lasts. If no ${side} ran in the last day, this is expected.`
      : 'Inconclusive (no_data), always: the selector matches nothing.',
    fix: fixed
      ? 'Check again during a rollout, or correct the value.'
      : 'Correct the text around the placeholder to match the values.',
  };
}

function missingLabelFix(counter: CounterFacts, key: string, side: 'canary' | 'stable'): string {
  const near = nearestLabel(key, counter.labelNames);
  if (near === undefined) {
    const names = listed(nearestFirst(key, counter.labelNames), 10);
    return `Write a label of the version that its series have into ${side}, or let them have ${key}. They have ${names}.`;
  }
  const values = valuesNow(counter, near);
  return `Did you mean ${near}${values.length === 0 ? '' : ` (${listed(values, 5)})`}?`;
}

/** The values that series have now. */
function valuesNow({ labels }: CounterFacts, key: string): string[] {
  return [...(labels.get(key)?.keys() ?? [])].filter((value) => value !== '');
}

function missingTagFix(facts: BackendFacts, service: Service, key: string): string {
  if (service.spans !== undefined) {
    return `Let the application set ${key} on the span that serves the request, and apply the output of cuj-gate generate terraform.`;
  }
  if (service.operation === undefined) {
    return `Use a ${allWords(service.dialect).tag} that the metrics of this source have.`;
  }
  const tags = facts.tags.get(`trace.${service.operation}.hits`);
  const others = tags === undefined ? [] : [...tags.keys()].filter((one) => !ordinary.has(one)).sort();
  const usable = others.length > 0 ? ` The metric has: ${listed(others)}.` : '';
  return key === 'version'
    ? 'Set DD_VERSION (or the pod label tags.datadoghq.com/version), which all trace metrics then carry.'
    : `Tags that the application sets on spans do not reach trace metrics: use version:{version}, or make ${key} an additional primary tag in Datadog (it takes up to two hours), or write source: spans in the service, which counts by such tags.${usable}`;
}

/** Tags that cannot distinguish canary and stable. */
const ordinary = new Set(['env', 'service', 'resource', 'resource_name', 'http.status_code', 'host']);

function oneVersion(service: Service, found: ServiceFacts): DoctorFinding[] {
  const free = service.canary.terms.filter(({ parts }) => parts.some((part) => typeof part !== 'string'));
  const keys = free.map(({ key }) => key).filter((key) => found.selectorValues.has(key));
  if (keys.length === 0) return [];
  const single = keys.filter((key) => found.selectorValues.get(key)?.size === 1);
  if (single.length < keys.length) return [];
  return [
    {
      severity: 'warning',
      check: 'one-version',
      about: named(service),
      message: `only one value of ${keys.join(', ')} was seen in the last day: ${keys.map((key) => valuesText(found.selectorValues.get(key) as Shares)).join(', ')}`,
      verdict:
        'If a release was rolled out in that time, canary and stable share the value: verdicts are inconclusive (canary_indistinguishable), or the canary is missing.',
      fix: `Nothing to do if nothing was released. Otherwise make the value change with every release: ${service.dialect.versionTag} from the image tag, or from the pod template hash where releases change configuration only.`,
    },
  ];
}

/** Whether the term can have this value, with at least one character for each placeholder. */
function fits({ parts }: SelectorTerm, value: string): boolean {
  let at = 0;
  /** How many characters the placeholders before this part need. */
  let minLength = 0;
  for (const [i, part] of parts.entries()) {
    if (typeof part !== 'string') {
      minLength += 1;
      continue;
    }
    const from = at + minLength;
    const isLast = i === parts.length - 1;
    const found = minLength === 0 ? at : isLast ? value.length - part.length : value.indexOf(part, from);
    if (found < from || !value.startsWith(part, found)) return false;
    at = found + part.length;
    minLength = 0;
  }
  return minLength === 0 ? at === value.length : value.length - at >= minLength;
}

function textOf({ key, parts }: SelectorTerm): string {
  return `${key}:${parts.map((part) => (typeof part === 'string' ? part : `{${part.param}}`)).join('')}`;
}

function valuesText(values: Shares): string {
  return listed(
    [...values].map(([value, hits]) => `${value} (${count(hits)} hits)`),
    5,
  );
}
