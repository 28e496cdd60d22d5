import { durationText } from '../domain/duration.ts';
import type { CounterFacts, Shares } from '../domain/ports/backend-facts.ts';
import type { Cuj, Registry, Service } from '../domain/registry/model.ts';
import { badMatchers, counterSourceOf } from '../sources/prometheus/query/source-template.ts';
import { statusLabelsOf } from '../sources/prometheus/query/status-labels.ts';
import { nearestNames } from '../suggestions/nearest.ts';
import type { DoctorFinding } from './finding.ts';
import { count, listed, named, percent } from './words.ts';

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
    ...scrapes(service, counter),
    ...cujsOf(registry, service).flatMap((cuj) => timing(cuj, counter)),
    ...retention(registry, service, counter),
  ];
}

function noSeries(service: Service, { metric, serviceLabel, serviceValues }: CounterFacts): DoctorFinding {
  const finding = (check: string, message: string, fix: string): DoctorFinding => ({
    severity: 'error',
    check,
    about: named(service),
    message,
    verdict: 'Inconclusive (no_data), always: there is nothing to judge.',
    fix,
  });
  if (serviceValues.size === 0) {
    return finding(
      'metric-missing',
      `there is no series ${metric} with the label ${serviceLabel}`,
      'Check the name of the counter in the source, and that its processes are scraped.',
    );
  }
  const names = [...serviceValues.keys()];
  const nearest = nearestNames(service.name, names);
  if (names.some((name) => name === service.name)) {
    return finding(
      'service-without-series',
      `${metric} has series with ${serviceLabel}="${service.name}", but none with all other matchers of the source "${service.source}"`,
      'Remove matchers of total one after the other in a query of your own, until there are series.',
    );
  }
  return finding(
    'service-without-series',
    `${metric} has no series of ${service.name}; ${serviceLabel} is ${listed(nearest.length === 0 ? names : nearest)}`,
    nearest.length === 0
      ? `Name the service as the label ${serviceLabel} has it.`
      : `Did you mean ${nearest[0]}? Name the service as the label ${serviceLabel} has it.`,
  );
}

function labels(registry: Registry, service: Service, counter: CounterFacts): DoctorFinding[] {
  const declared = registry.sources.get(service.source);
  if (declared === undefined) return [];
  const source = counterSourceOf(declared);
  const about = named(service);
  const findings: DoctorFinding[] = [];
  for (const label of statusLabelsOf(source)) {
    const share = shareWithout(counter.labels.get(label), counter.series);
    if (share <= fewSeries) continue;
    findings.push({
      severity: 'error',
      check: 'status-label-missing',
      about,
      message: `${percent(share)} of the series of ${counter.metric} have no label ${label}, by which bad of the source "${service.source}" tells failures`,
      verdict: 'Inconclusive (status_missing): a failure among those requests is never counted.',
      fix: `Tell failures by a label that all series have: ${others(counter)}.`,
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
        ? `Write a label that it has in groupBy: ${others(counter)}.`
        : 'Give every request a route, also where none matches, or exclude those in total.',
    });
  }
  const told = badMatchers(source).map(({ label }) => label);
  for (const label of told) {
    const values = [...(counter.labels.get(label) ?? [])].filter(([value]) => value !== '');
    if (values.length === 0) continue;
    findings.push({
      severity: 'info',
      check: 'status-values',
      about,
      message: `values of ${label}, by which failures are told: ${listed(values.map(([value, series]) => `${value} (${count(series)} series)`))}`,
      verdict: 'None. A value that means a failure and that bad does not select is never counted.',
      fix: 'Compare them with bad of the source.',
    });
  }
  return findings;
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

function others({ labelNames }: CounterFacts): string {
  return listed([...labelNames].sort(), 20);
}

function cujsOf({ cujs }: Registry, { name }: Service): Cuj[] {
  return [...cujs.values()].filter(({ services }) => services.includes(name));
}
