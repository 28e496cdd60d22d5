import { bucketMs, type Measurement, type Snapshot } from '../metrics/metrics-source.ts';

/** The minutes before the silence that show what the silent ones should have been like. */
const referenceMinutes = 10;
/** If a silence has at most this probability, the data has stopped. It takes at least four empty minutes. */
const silenceChanceLimit = 1 / 1000;
/** The least span that is queried: a silence, and the minutes before it that it is compared with. */
export const minHistoryMs = 60 * bucketMs;

/** Data that has stopped for canary and stable alike. */
export interface StaleData {
  /** Services of the question whose data it is. */
  readonly services: readonly string[];
  /** Epoch ms: the end of the newest minute in which any of them, or of those measured with them, has a request. */
  readonly newestMs: number;
  /** Milliseconds from then until the end of what is judged, without a request. */
  readonly missingMs: number;
}

/**
 * The number of newest minutes without any request, where chance does not explain them: the data has stopped, not the
 * traffic. Undefined where chance explains them, and where there is no request in all that was queried.
 *
 * It counts minutes with any traffic, not requests: a burst of a thousand requests is one minute. If all minutes are alike,
 * those with traffic are among the newest ones as often as among the minutes before.
 */
export function missingMinutesOf(hits: readonly number[]): number | undefined {
  let newest = hits.length - 1;
  while (newest >= 0 && !((hits[newest] ?? 0) > 0)) newest -= 1;
  const missing = hits.length - 1 - newest;
  if (newest < 0 || missing === 0) return undefined;
  // Without the newest minute with traffic: the silence begins there because it has some.
  const reference = hits.slice(Math.max(0, newest - referenceMinutes), newest);
  const busy = reference.filter((count) => count > 0).length;
  return chanceOfSilence(reference.length, busy, missing) <= silenceChanceLimit ? missing : undefined;
}

/**
 * Chance that all `busy` minutes of `minutes + missing` are among the first `minutes`:
 * C(minutes, busy) / C(minutes + missing, busy).
 */
function chanceOfSilence(minutes: number, busy: number, missing: number): number {
  let chance = 1;
  for (let i = 1; i <= missing; i += 1) chance *= (minutes - busy + i) / (minutes + i);
  return chance;
}

/** The number of minutes at the end of a snapshot in minutes for which its data has stopped; undefined where it has not. */
export function minutesMissingAtEnd({ stepMs, services }: Snapshot): number | undefined {
  return stepMs === bucketMs ? missingMinutesOf(allHits(services)) : undefined;
}

/** Whether there is any request in a snapshot. */
export function hasTraffic({ services }: Snapshot): boolean {
  return allHits(services).some((count) => count > 0);
}

/** The hits of all services of a snapshot, bucket by bucket. */
function allHits(services: Snapshot['services']): number[] {
  const hits: number[] = [];
  for (const { canary, stable, allTraffic } of services.values()) {
    const parts = allTraffic === undefined ? [canary.whole?.total, stable.whole?.total] : [allTraffic];
    for (const counts of parts) {
      counts?.forEach((count, i) => {
        hits[i] = (hits[i] ?? 0) + count;
      });
    }
  }
  return hits;
}

/** Data that a verdict would rest on and that has stopped; of several calls' the oldest. Pure. */
export function staleDataOf({ toMs, sourceTraffic = [] }: Measurement): StaleData | undefined {
  const begunMs = toMs % bucketMs;
  const stopped = sourceTraffic.flatMap(({ services, hits }) => {
    // A minute that is not over is not empty yet.
    const isOpen = begunMs > 0 && !((hits.at(-1) ?? 0) > 0);
    const missingMinutes = missingMinutesOf(isOpen ? hits.slice(0, -1) : hits);
    if (missingMinutes === undefined) return [];
    return [{ services, missingMs: missingMinutes * bucketMs + begunMs }];
  });
  if (stopped.length === 0) return undefined;
  const missingMs = Math.max(...stopped.map((one) => one.missingMs));
  return { services: stopped.flatMap(({ services }) => services), newestMs: toMs - missingMs, missingMs };
}
