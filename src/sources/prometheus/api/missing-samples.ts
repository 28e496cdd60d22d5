import type { BatchQuery } from '../../../domain/metrics/metrics-source.ts';
import { anyValueText, type Labels, labelOf } from '../query/label-matchers.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { scrapeIntervalOf } from './counter-increments.ts';
import { malformed } from './error-mapping.ts';
import { show } from './matrix-response.ts';
import { beginningMs, type CountedSeries, type ReadSeries } from './read-series.ts';

/**
 * A counter that is not scraped any more looks as one that does not rise, and a canary that fails may be too busy to be scraped.
 * So where samples are missing, nothing is judged.
 */

/** A process that is scraped. */
export interface Target {
  readonly job: string;
  readonly instance: string;
}

/** A counter whose newest sample is older than 2.5 scrapes, or this where that is more, is not scraped any more. Scrapes are late at times. */
const minSilenceMs = 20_000;

/**
 * Refuses newest data in which all samples of the batch, or all of one service's canary, have stopped before the end.
 * Throws SourceError source_malformed.
 */
export function refuseStopped(query: BatchQuery, series: ReadSeries): void {
  if (series.all.length === 0) return;
  const isCurrent = currentIn(query, series);
  if (!series.all.some(isCurrent)) {
    throw malformed(
      `the newest sample of all is of ${newestOf(series.all)}, and counts until ${timeOf(query.toMs)} were asked for`,
      'Nothing is scraped any more, or samples arrive late. Check the targets in Prometheus and remote write; if samples always are that late, set a longer gate.lag.',
    );
  }
  for (const { service } of query.batch.services) {
    const canary = series.all.filter(({ role }) => role.isCanary && role.service === service.name);
    if (canary.length === 0 || canary.some(isCurrent)) continue;
    throw malformed(
      `the canary of ${service.name} has no sample since ${newestOf(canary)}`,
      'Its pods are gone, or they are not scraped any more: their failures would not be seen. Check that they run, and that they are up in Prometheus.',
    );
  }
}

/** Targets of the canary whose samples have stopped while others of it go on. */
export function stoppedTargets(query: BatchQuery, series: ReadSeries): Target[] {
  const isCurrent = currentIn(query, series);
  const targets = new Map<string, Target & { isCurrent: boolean }>();
  for (const one of series.all) {
    if (!one.role.isCanary) continue;
    const [job, instance] = [labelOf(one.samples.labels, 'job'), labelOf(one.samples.labels, 'instance')];
    if (instance === '') continue;
    const key = JSON.stringify([job, instance]);
    const known = targets.get(key);
    targets.set(key, { job, instance, isCurrent: isCurrent(one) || known?.isCurrent === true });
  }
  return [...targets.values()].filter((target) => !target.isCurrent);
}

/** With more targets than this, those of the whole job are asked for: the query would become too long. */
const maxTargets = 200;

/**
 * Asks whether targets cannot be scraped: of those that are gone, Prometheus has no `up` any more. VictoriaMetrics answers as of 30 s
 * before, but for samples of a range.
 */
export function upQuery(targets: readonly Target[]): string {
  const ofJobs = anyValueText(
    'job',
    targets.map(({ job }) => job),
  );
  if (targets.length > maxTargets) return `up{${ofJobs}}`;
  const ofInstances = anyValueText(
    'instance',
    targets.map(({ instance }) => instance),
  );
  return `up{${ofJobs},${ofInstances}}`;
}

/** Throws SourceError source_malformed where a target is known, and cannot be scraped. */
export function refuseDown(
  targets: readonly Target[],
  up: readonly { readonly labels: Labels; readonly value: number }[],
): void {
  const down = targets.filter(({ job, instance }) =>
    up.some(
      ({ labels, value }) =>
        value === 0 && labelOf(labels, 'job') === job && labelOf(labels, 'instance') === instance,
    ),
  );
  const [first] = down;
  if (first === undefined) return;
  throw malformed(
    `Prometheus cannot scrape ${down.length === 1 ? 'a pod' : `${down.length} pods`} of the canary (up is 0 of ${show(first.instance)})`,
    'Its requests since then are not counted, and may have failed. Check why the pod does not answer scrapes.',
  );
}

/**
 * The query whether there were samples before those that were asked for, where all of them begin late; undefined where they do not.
 * A new service has none. After a gap in all scrapes, nothing is known of the time in between.
 */
export function earlierQuery(
  { query }: PlannedQuery,
  series: ReadSeries,
  rangeFromMs: number,
): string | undefined {
  const { earliestMs, intervalMs } = series;
  if (earliestMs === undefined || earliestMs <= rangeFromMs + beginningMs(intervalMs)) return undefined;
  return `count(last_over_time(${query}[1h]))`;
}

/** Throws SourceError source_malformed where there were. */
export function refuseEarlier(
  vector: readonly { readonly value: number }[],
  { earliestMs }: ReadSeries,
): void {
  if (!vector.some(({ value }) => value > 0)) return;
  throw malformed(
    `there was no sample at all for a quarter of an hour or longer before ${timeOf(earliestMs as number)}`,
    'What happened in that time is not known. Verdicts come back by themselves within half an hour.',
  );
}

function currentIn({ toMs }: BatchQuery, { intervalMs }: ReadSeries): (series: CountedSeries) => boolean {
  return ({ samples: { times } }) => {
    const ownMs = scrapeIntervalOf(times) ?? intervalMs;
    return (times.at(-1) as number) >= toMs - Math.max(minSilenceMs, 2.5 * ownMs);
  };
}

function newestOf(series: readonly CountedSeries[]): string {
  return timeOf(Math.max(...series.map(({ samples: { times } }) => times.at(-1) as number)));
}

function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)} UTC`;
}
