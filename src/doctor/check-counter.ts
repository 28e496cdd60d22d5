import { durationText } from '../domain/duration.ts';
import { listed } from '../domain/name-lists.ts';
import type { CounterFacts, Shares, UnmatchedMatcher } from '../domain/ports/backend-facts.ts';
import type { Cuj, Registry, Service } from '../domain/registry/model.ts';
import type { Failure } from '../domain/sli/failure.ts';
import { isClassOfNamed, statusLabelOf, withFailure } from '../sources/prometheus/query/counted-failures.ts';
import { nearestFirst, nearestLabel } from '../sources/prometheus/query/near-labels.ts';
import { presetCounters, presetsThere } from '../sources/prometheus/query/preset-counters.ts';
import { badMatchers, counterSourceOf } from '../sources/prometheus/query/source-template.ts';
import { statusLabelsOf } from '../sources/prometheus/query/status-labels.ts';
import { nearestNames } from '../suggestions/nearest.ts';
import type { DoctorFinding } from './finding.ts';
import { count, named, percent } from './words.ts';

/** Verdicts are made of minutes, and scrapes are a little late. */
const maxScrapeMs = 66_000;
/** Longer intervals make the newest buckets longer than 30 s. */
const goodScrapeMs = 15_500;
/** Fewer series may lack a label: those of processes that have just begun, or of other endpoints. */
const fewSeries = 0.01;

/** Whether a counter of the registry is there, with the labels that the registry names, and is scraped often enough. */
export function checkCounter(registry: Registry, service: Service, counter: CounterFacts): DoctorFinding[] {
  if (counter.series === 0) return [noSeries(service, counter)];
  return [
    ...labels(registry, service, counter),
    ...unseenStatuses(registry, service, counter),
    ...scrapes(service, counter),
    ...cujsOf(registry, service).flatMap((cuj) => timing(cuj, counter)),
    ...retention(registry, service, counter),
  ];
}

function noSeries(service: Service, counter: CounterFacts): DoctorFinding {
  const { metric, serviceLabel, absent } = counter;
  const finding = (check: string, message: string, fix: string): DoctorFinding => ({
    severity: 'error',
    check,
    about: named(service),
    message,
    verdict: 'Inconclusive (no_data), always: there is nothing to judge.',
    fix,
  });
  const value = absent?.serviceValue ?? service.name;
  const values = [...counter.serviceValues.keys()];
  if (values.includes(value)) {
    const [first] = absent?.unmatched ?? [];
    return finding(
      'service-without-series',
      `${metric} has series with ${serviceLabel}="${value}", but ${first === undefined ? `none with all other matchers of the source "${service.source}"` : `none with ${first.text} of the source "${service.source}"`}`,
      first === undefined
        ? 'Each matcher of total has series by itself, and together they have none. Remove those that exclude each other.'
        : unmatchedFix(first, absent?.labelNames ?? []),
    );
  }
  if (values.length > 0)
    return finding('service-without-series', ...otherServices(service, counter, value, values));
  if (absent?.labelNames === undefined) {
    const presets = presetsThere(absent?.counters ?? new Set());
    return finding(
      'metric-missing',
      `there is no series ${metric}`,
      `Check the name of the counter in the source, and that its processes are scraped.${presets === '' ? '' : ` ${presets}`}`,
    );
  }
  const near = didYouMean(serviceLabel, absent.labelNames);
  return finding(
    'service-without-series',
    `no series of ${metric} has the label ${serviceLabel}, by which the source "${service.source}" tells services apart`,
    [near, nameElsewhere(service, counter)].filter((text) => text !== undefined && text !== '').join(' '),
  );
}

/** What is wrong, and what to do, where the label of the services has only others. */
function otherServices(
  service: Service,
  counter: CounterFacts,
  value: string,
  values: readonly string[],
): [message: string, fix: string] {
  const { metric, serviceLabel } = counter;
  const near = nearestNames(value, values);
  const elsewhere = nameElsewhere(service, counter);
  const shown = near.length === 0 ? values : near;
  const has = `${serviceLabel} has ${shown.length === 1 ? 'the value' : 'the values'} ${listed(shown)}`;
  const message = `${metric} has no series of ${service.name}; ${has}`;
  const rename = `Name the service as the label ${serviceLabel} has it.`;
  // shop/checkout is nearer than any other label; another word that looks alike is not.
  if (elsewhere !== undefined && near[0]?.includes(service.name) !== true) return [message, elsewhere];
  return [
    message,
    near.length === 0
      ? rename
      : `Did you mean ${near[0]}? ${rename}${elsewhere === undefined ? '' : ` Or: ${elsewhere}`}`,
  ];
}

/** What to do where another label has the service's name; undefined where none has. */
function nameElsewhere({ name }: Service, { metric, absent }: CounterFacts): string | undefined {
  const preset = presetCounters.find((one) => one.metric === metric);
  const labels = [...(absent?.labelsOfName ?? [])];
  if (labels.length === 0) return undefined;
  const own = preset?.serviceLabel;
  const [first, ...others] =
    own !== undefined && labels.includes(own) ? [own, ...labels.filter((one) => one !== own)] : labels;
  const written = `${first}="{service}"`;
  return `${name} is a value of ${first}${others.length === 0 ? '' : ` (and of ${listed(others, 4)})`}: use ${first === own ? `${preset?.preset}, or ${written}` : written}.`;
}

function unmatchedFix({ label, value, values }: UnmatchedMatcher, names: readonly string[]): string {
  const known = [...values.keys()].filter((one) => one !== '');
  if (known.length === 0) return `No series has the label ${label}. ${didYouMean(label, names)}`.trim();
  const [near] = nearestNames(value, known, { max: 1 });
  return `${near === undefined ? '' : `Did you mean ${near}? `}${label} has ${known.length === 1 ? 'the value' : 'the values'} ${listed(known)}.`;
}

/** The nearest label, or those that there are. */
function didYouMean(label: string, names: readonly string[]): string {
  const near = nearestLabel(label, names);
  if (near !== undefined) return `Did you mean ${near}?`;
  return names.length === 0 ? '' : `The labels are ${listed([...names].sort(), 20)}.`;
}

function labels(registry: Registry, service: Service, counter: CounterFacts): DoctorFinding[] {
  const declared = registry.sources.get(service.source);
  if (declared === undefined) return [];
  const source = counterSourceOf(declared);
  const about = named(service);
  const findings: DoctorFinding[] = [];
  const definitions = [undefined, ...failuresOf(registry, service)].map((failure) =>
    withFailure(source, failure),
  );
  for (const label of new Set(definitions.flatMap(statusLabelsOf))) {
    const share = shareWithout(counter.labels.get(label), counter.series);
    if (share <= fewSeries) continue;
    findings.push({
      severity: 'error',
      check: 'status-label-missing',
      about,
      message: `${share === 1 ? 'no series' : `${percent(share)} of the series`} of ${counter.metric} ${share === 1 ? 'has a label' : 'have no label'} ${label}, by which the source "${service.source}" tells failures`,
      verdict: 'Inconclusive (status_missing): a failure among those requests is never counted.',
      fix:
        share === 1
          ? otherLabels(label, counter, 'Tell failures by')
          : 'Give every request that label, or tell failures by another one.',
    });
  }
  for (const failure of failuresOf(registry, service)) {
    const label = statusLabelOf(source, failure);
    const classes = [...((label && counter.labels.get(label)?.keys()) || [])].filter((value) =>
      isClassOfNamed(value, failure),
    );
    if (label === undefined || classes.length === 0) continue;
    findings.push({
      severity: 'error',
      check: 'status-class-only',
      about,
      message: `${label} of ${counter.metric} has ${classes.length === 1 ? 'the value' : 'the values'} ${listed(classes)}: a failure by ${failure.text} cannot be told from other statuses of its class`,
      verdict: 'Inconclusive (status_missing), always.',
      fix: `Write the whole class in failure, such as 4xx, or tell failures by a label that has the status itself.`,
    });
  }
  const judged = cujsOf(registry, service).some(({ endpoints }) =>
    endpoints.some((one) => one.service === service.name && one.resource !== '*'),
  );
  for (const label of judged ? source.endpointLabels : []) {
    const share = shareWithout(counter.labels.get(label), counter.series);
    if (share <= fewSeries) continue;
    const isAll = share === 1;
    findings.push({
      severity: isAll ? 'error' : 'warning',
      check: 'group-label-missing',
      about,
      message: `${isAll ? 'no series' : `${percent(share)} of the series`} of ${counter.metric} ${isAll ? 'has a label' : 'have no label'} ${label}, by which the source "${service.source}" tells endpoints apart`,
      verdict: isAll
        ? 'Inconclusive (no_data): no endpoint is found.'
        : 'Such requests belong to no endpoint. Where the canary fails one of them, nothing is judged (source_malformed).',
      fix: isAll
        ? otherLabels(label, counter, 'Write into groupBy')
        : 'Give every request a route, also where none matches, or exclude those in total.',
    });
  }
  const told = new Set(badMatchers(source).map(({ label }) => label));
  for (const label of told) {
    const values = [...(counter.labels.get(label) ?? [])].filter(([value]) => value !== '');
    if (values.length === 0) continue;
    findings.push({
      severity: 'info',
      check: 'status-values',
      about,
      message: `values of ${label}, by which failures are told: ${listed(values.map(([value, series]) => `${value} (${count(series)} series)`))}`,
      verdict: 'None. A value that means a failure and that is not counted as one is never seen.',
      fix: `Compare them with ${definitions.length === 1 ? 'bad of the source' : 'bad of the source, and with failure in the registry'}.`,
    });
  }
  return findings;
}

/** Statuses that a definition names and that its endpoints never answer with: most likely another one is meant. */
function unseenStatuses(
  registry: Registry,
  service: Service,
  { statuses = new Map<string, Shares>() }: CounterFacts,
): DoctorFinding[] {
  return cujsOf(registry, service).flatMap((cuj) =>
    cuj.endpoints.flatMap(({ service: of, resource, label, failure }): DoctorFinding[] => {
      if (of !== service.name || failure?.by.kind !== 'http') return [];
      const own = resource === '*' ? [...statuses.values()] : [statuses.get(resource) ?? new Map()];
      const seen = new Map<string, number>();
      for (const [status, requests] of own.flatMap((shares) => [...shares]))
        seen.set(status, (seen.get(status) ?? 0) + requests);
      const unseen = failure.by.codes.map(String).filter((code) => !seen.has(code));
      if (seen.size === 0 || unseen.length === 0) return [];
      const answered = [...seen].sort(([, a], [, b]) => b - a);
      return [
        {
          severity: 'info',
          check: 'failure-status-unseen',
          about: `cuj ${cuj.name}`,
          message: `${label === '*' ? `all of ${service.name}` : label} answered with ${listed(answered.map(([status, requests]) => `${status} (${count(requests)})`))} in the last day, and never with ${listed(unseen)}, which is among its failures (${failure.text})`,
          verdict: 'None, if that status is rare.',
          fix: 'If another status is meant, correct failure.',
        },
      ];
    }),
  );
}

/** The definitions of failure that endpoints of a service have in place of the source's own. */
function failuresOf(registry: Registry, service: Service): readonly Failure[] {
  const batch = registry.batchOfService.get(service.name);
  const own = batch?.services.find((one) => one.service.name === service.name);
  return (own?.failures ?? []).map(({ failure }) => failure);
}

function scrapes(service: Service, { metric, scrapeMs }: CounterFacts): DoctorFinding[] {
  if (scrapeMs === undefined || scrapeMs <= goodScrapeMs) return [];
  const tooFar = scrapeMs > maxScrapeMs;
  return [
    {
      severity: tooFar ? 'error' : 'warning',
      check: 'scrape-interval',
      about: named(service),
      message: `${metric} has a sample every ${Math.round(scrapeMs / 1000)} s`,
      verdict: tooFar
        ? 'Inconclusive (source_rejected), always: verdicts are made of minutes.'
        : 'Regressions are found later: the time to an abort grows with the time between scrapes.',
      fix: 'Scrape every 15 s or more often.',
    },
  ];
}

/** What a CUJ's policy says about times that the scrapes do not allow. */
function timing({ name, gate }: Cuj, { metric, scrapeMs, newestAgeMs }: CounterFacts): DoctorFinding[] {
  if (scrapeMs === undefined || scrapeMs > maxScrapeMs) return [];
  const findings: DoctorFinding[] = [];
  const scrape = Math.round(scrapeMs / 1000) * 1000;
  const { lagMs } = gate;
  // The newest sample is up to one scrape old when it has just arrived.
  if (newestAgeMs !== undefined && newestAgeMs - scrape > lagMs) {
    const needed = Math.ceil((newestAgeMs - scrape) / 5_000) * 5_000;
    findings.push({
      severity: 'warning',
      check: 'lag-too-short',
      about: `cuj ${name}`,
      message: `lag is ${durationText(lagMs)}, and the newest sample of ${metric} is ${Math.round(newestAgeMs / 1000)} s old`,
      verdict: 'Inconclusive (source_malformed) while samples arrive that late.',
      fix: `Set gate.lag: ${durationText(needed)} or more, or find what delays samples, such as remote write.`,
    });
  }
  return findings;
}

function retention(
  registry: Registry,
  service: Service,
  { metric, oldestDays, missingDays }: CounterFacts,
): DoctorFinding[] {
  if (missingDays === undefined) return [];
  const longer = cujsOf(registry, service).filter(
    ({ sloWindow }) => Number.parseInt(sloWindow, 10) >= missingDays,
  );
  if (longer.length === 0) return [];
  return [
    {
      severity: 'info',
      check: 'slo-window-over-data',
      about: named(service),
      message: `${metric} has samples that are ${oldestDays} days old, and none that are ${missingDays} days old; the SLO window of ${listed(longer.map(({ name }) => name))} is longer`,
      verdict:
        'None. Error budgets are of the time that is known, or unknown where it is less than a third of the window.',
      fix: 'Keep data longer (--storage.tsdb.retention.time), or shorten slo.window. Nothing to do if the counter is new.',
    },
  ];
}

function shareWithout(values: Shares | undefined, series: number): number {
  return values === undefined || series === 0 ? 0 : (values.get('') ?? 0) / series;
}

/** The nearest label first: a list of all would hide it. */
function otherLabels(label: string, { labelNames }: CounterFacts, what: string): string {
  const near = nearestLabel(label, labelNames);
  const asked = near === undefined ? '' : `Did you mean ${near}? `;
  return `${asked}${what} a label that all series have: ${listed(nearestFirst(label, labelNames), 10)}.`;
}

function cujsOf({ cujs }: Registry, { name }: Service): Cuj[] {
  return [...cujs.values()].filter(({ services }) => services.includes(name));
}
