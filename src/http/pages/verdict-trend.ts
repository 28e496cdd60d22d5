import { judge, type Verdict } from '../../domain/judge/judge.ts';
import type { SliVerdict } from '../../domain/judge/judge-sli.ts';
import { measurementUntil } from '../../domain/metrics/measurement-until.ts';
import { bucketMs } from '../../domain/metrics/metrics-source.ts';
import { allSlis } from '../../domain/sli/by-sli.ts';
import type { SliName } from '../../domain/sli/table.ts';
import type { Evaluation } from '../../evaluation/evaluator.ts';

/** A verdict at an earlier moment, of today's data. */
export interface TrendPoint {
  /** The end of its data, epoch ms. */
  readonly atMs: number;
  readonly verdict: Verdict;
}

/** At most so many moments; fewer for a large CUJ, so that a page costs a few ms of the process. */
const maxPoints = 30;
/** Endpoints × minutes that may be judged for one page. */
const maxCounts = 60_000;

/**
 * The verdict as it developed since the canary's window began, its current one last. The judge itself is asked for each moment;
 * between two of them other requests are answered. Empty without a measurement.
 */
export async function verdictTrend(
  evaluation: Pick<Evaluation, 'cuj' | 'measurement' | 'options' | 'verdict'>,
): Promise<TrendPoint[]> {
  const { cuj, measurement, options, verdict } = evaluation;
  if (measurement === undefined || verdict.window === undefined) return [];
  const { toMs } = measurement;
  const fromMs = Date.parse(verdict.window.from);
  const minutes = Math.floor((toMs - fromMs) / bucketMs);
  const counts = Math.max(1, allSlis(measurement).length) * Math.max(1, measurement.whole.canary.length);
  const points = Math.max(2, Math.min(maxPoints, Math.floor(maxCounts / counts), minutes));
  const step = Math.max(1, Math.ceil(minutes / points));
  const moments: number[] = [];
  const lastWhole = measurement.fromMs + Math.floor((toMs - measurement.fromMs) / bucketMs) * bucketMs;
  for (let atMs = lastWhole; atMs > fromMs; atMs -= step * bucketMs) if (atMs < toMs) moments.push(atMs);
  // Where the window begins, the canary has no requests yet.
  if (fromMs > measurement.fromMs && fromMs < toMs) moments.push(fromMs);
  const trend: TrendPoint[] = [];
  for (const atMs of moments.reverse()) {
    trend.push({ atMs, verdict: judge(cuj, measurementUntil(measurement, atMs), options) });
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  trend.push({ atMs: toMs, verdict });
  return trend;
}

/** The points of one SLI, as far as it was judged. */
export function trendOfSli(trend: readonly TrendPoint[], sli: SliName): { atMs: number; sli: SliVerdict }[] {
  return trend.flatMap(({ atMs, verdict }) => {
    const found = verdict.slis.find((one) => one.sli === sli);
    return found === undefined ? [] : [{ atMs, sli: found }];
  });
}
