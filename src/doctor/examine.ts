import { listed } from '../domain/name-lists.ts';
import type { BackendFacts, SurveyFailure } from '../domain/ports/backend-facts.ts';
import type { Cuj, Registry, Service } from '../domain/registry/model.ts';
import { likelyMistakesIn } from '../domain/registry/resolve-services.ts';
import { checkClientMetrics } from './check-client.ts';
import { checkCounter } from './check-counter.ts';
import { checkFailingRates } from './check-failures.ts';
import { checkHistogram } from './check-histogram.ts';
import { checkRecordedSlos } from './check-recorded-slos.ts';
import { checkRoutes } from './check-routes.ts';
import { checkRules } from './check-rules.ts';
import { checkSelectors } from './check-selectors.ts';
import { checkSlos } from './check-slos.ts';
import { checkSource } from './check-source.ts';
import { checkSpanMetrics } from './check-spans.ts';
import { checkStores } from './check-stores.ts';
import { checkTraffic } from './check-traffic.ts';
import { type DoctorFinding, worstFirst } from './finding.ts';
import { named } from './words.ts';

export interface ExamineOptions {
  /** How many busy routes that are in no CUJ are named for each service. */
  readonly top: number;
}

/** All differences between a registry and the data of its backend. Worst first. */
export function examine(registry: Registry, facts: BackendFacts, options: ExamineOptions): DoctorFinding[] {
  const findings = [
    ...(facts.isSimulation === true ? [simulated(registry)] : []),
    ...facts.failures.map(failureFinding),
    ...checkStores(facts),
    ...checkRules(registry),
  ];
  for (const service of servicesOfCujs(registry)) {
    const counter = facts.counters?.get(service.name);
    const ofMetrics =
      counter === undefined
        ? [
            ...checkSource(registry, facts, service),
            ...checkClientMetrics(registry, facts, service),
            ...checkSpanMetrics(registry, facts, service),
          ]
        : [
            ...checkCounter(registry, service, counter),
            ...(counter.series === 0 ? [] : checkHistogram(registry, facts, service)),
          ];
    findings.push(...ofMetrics);
    const found = facts.services.get(service.name);
    // Without a series, what else could be said would repeat it.
    if (found === undefined || counter?.series === 0) continue;
    const traffic = checkTraffic(registry, facts, service, found);
    findings.push(...traffic);
    // Without any traffic, other findings would repeat the same problem.
    if (found.total === 0) {
      // Labels are there before the first full hour of hits.
      if (counter !== undefined) findings.push(...checkSelectors(facts, service, found));
      continue;
    }
    findings.push(...checkSelectors(facts, service, found));
    // Without the label that names endpoints, none of them is found, and their names are not why.
    if (ofMetrics.some(({ check, severity }) => check === 'group-label-missing' && severity === 'error'))
      continue;
    findings.push(...checkRoutes(registry, facts, service, found, options.top));
  }
  findings.push(
    ...checkFailingRates(registry, facts),
    ...checkSlos(registry, facts, misnamedCujs(registry, findings)),
    ...checkRecordedSlos(registry, facts),
  );
  return worstFirst(findings);
}

/** CUJs with a name of an endpoint or an operation that the backend does not have, as findings say. */
function misnamedCujs(registry: Registry, findings: readonly DoctorFinding[]): ReadonlySet<Cuj> {
  const of = (check: string) => findings.filter((one) => one.check === check).map(({ about }) => about);
  const endpoints = of('endpoint-name');
  const services = new Set(of('operation-without-hits'));
  const isMisnamed = (cuj: Cuj) =>
    endpoints.some((about) => about.startsWith(`cuj ${cuj.name}: `)) ||
    cuj.services.some((name) => services.has(named(registry.services.get(name) as Service)));
  return new Set([...registry.cujs.values()].filter(isMisnamed));
}

/** The tags that all trace metrics have. */
const tagsOfTraces = new Set(['env', 'service', 'version', 'resource', 'resource_name', 'http.status_code']);

/** What a simulation cannot show: it has what the registry names. */
function simulated(registry: Registry): DoctorFinding {
  const traced = servicesOfCujs(registry).filter(({ source }) => source === 'trace');
  const keys = traced.flatMap((service) => {
    const noTags = likelyMistakesIn(service).flatMap(({ actual }) =>
      actual.kind === 'no-tag' ? [actual.key] : [],
    );
    return [...service.canary.terms, ...(service.stable?.terms ?? []), ...(service.tags ?? [])]
      .map(({ key }) => key)
      .filter((key) => !noTags.includes(key));
  });
  const special = [...new Set(keys)].filter((key) => !tagsOfTraces.has(key)).sort();
  const tags =
    special.length === 0 ? '' : ` Your Datadog needs ${listed(special)} as additional primary tags.`;
  return {
    severity: 'warning',
    check: 'simulated',
    about: 'Datadog',
    message:
      "this is the simulated Datadog of cuj-gate demo: its traffic is made from the registry, with the registry's operations, routes and tags",
    verdict: 'None. That something is not reported here does not show that your Datadog has it.',
    fix: `Run doctor with DD_API_KEY and DD_APP_KEY of your account, and without DD_URL.${tags}`,
  };
}

function servicesOfCujs(registry: Registry): Service[] {
  const used = new Set([...registry.cujs.values()].flatMap(({ services }) => services));
  return [...registry.services.values()].filter(({ name }) => used.has(name));
}

const needs: Readonly<Record<SurveyFailure['about'], { readonly about: string; readonly lost: string }>> = {
  backend: {
    about: 'the metrics backend',
    lost: 'Every verdict is inconclusive while this lasts.',
  },
  'api-key': {
    about: 'the API key',
    lost: 'Every verdict is inconclusive while this lasts.',
  },
  metrics: {
    about: 'the list of metrics',
    lost: 'None: verdicts do not need it. Doctor could not look for the right operation.',
  },
  tags: {
    about: 'the tags of a metric',
    lost: 'None: verdicts do not need it. Doctor could not check the tag keys of selectors and templates.',
  },
  queries: {
    about: 'the queries of a verdict',
    lost: 'Its verdicts are inconclusive while this lasts.',
  },
  slos: {
    about: 'the SLOs',
    lost: 'None for most verdicts. An errorBudgetPolicy with gate: does nothing while the budget is unknown.',
  },
};

const scopes: Readonly<Record<SurveyFailure['about'], string>> = {
  backend: '',
  'api-key': '',
  metrics: ' The application key needs the scope metrics_read.',
  tags: ' The application key needs the scope metrics_read.',
  queries: ' The application key needs the scope timeseries_query.',
  slos: ' The application key needs the scope slos_read.',
};

function failureFinding({ about, code, message, fix }: SurveyFailure): DoctorFinding {
  const refused = code === 'source_rejected';
  return {
    severity: about === 'backend' || about === 'api-key' || about === 'queries' ? 'error' : 'warning',
    check: refused ? `${about}-refused` : `${about}-unavailable`,
    about: needs[about].about,
    message,
    verdict: needs[about].lost,
    fix: `${fix}${refused ? scopes[about] : ''}`,
  };
}
