import { oneLine } from '../../../domain/outside-text.ts';
import { withoutKeys } from '../../../domain/redact.ts';
import { type Labels, labelOf } from '../query/label-matchers.ts';
import type { PlannedQuery } from '../query/query-plan.ts';
import { malformed } from './error-mapping.ts';

/** The samples of one counter, in the order of their times. Both lists are equally long, and not empty. */
export interface CounterSamples {
  readonly labels: Labels;
  /** Epoch ms. */
  readonly times: Float64Array;
  /** Whole numbers from 0 on. */
  readonly values: Float64Array;
}

/** A value of an answer in a message: without keys, and cut. */
export function show(value: unknown): string {
  const text = typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);
  const clean = oneLine(withoutKeys(text.slice(0, 1_000)));
  return clean.length > 120 ? `${clean.slice(0, 117)}...` : clean;
}

/**
 * The samples in the answer to a range selector from `fromMs` until `toMs`, epoch ms.
 * Throws SourceError source_malformed where a part of the answer is missing, or where it is not what was asked for.
 */
export function readCounters(
  json: unknown,
  query: PlannedQuery,
  fromMs: number,
  toMs: number,
): CounterSamples[] {
  return readMatrix(json, query).flatMap(({ labels, values, histograms }) => {
    if (histograms !== undefined) {
      throw malformed(
        `${query.metric} is a native histogram`,
        'Counts are read from counters: name the counter of the same requests, or a classic histogram’s _count.',
      );
    }
    return readSamples(labels, values, fromMs, toMs) ?? [];
  });
}

/** A series of an answer whose labels are checked. */
interface MatrixSeries {
  readonly labels: Labels;
  readonly values: unknown;
  /** Samples of a native histogram. */
  readonly histograms: unknown;
}

/** The series in the answer to a range selector, each once. Throws SourceError source_malformed. */
export function readMatrix(json: unknown, query: PlannedQuery): MatrixSeries[] {
  const seen = new Set<string>();
  return readResult(json, 'matrix').map((entry) => {
    const { metric, values, histograms } = asObject(entry, 'a series is not an object');
    const labels = readLabels(metric);
    checkLabels(labels, query);
    const identity = identityOf(labels);
    if (seen.has(identity)) throw malformed(`the series ${show(labels)} is there twice`);
    seen.add(identity);
    return { labels, values, histograms };
  });
}

/** The same text for the same labels. */
export function identityOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Labels and values of an instant vector. Throws SourceError source_malformed. */
export function readVector(json: unknown): readonly { readonly labels: Labels; readonly value: number }[] {
  return readResult(json, 'vector').map((entry) => {
    const { metric, value } = asObject(entry, 'a series is not an object');
    const text = Array.isArray(value) ? value[1] : undefined;
    if (typeof text !== 'string') throw malformed('a series has no value');
    return { labels: readLabels(metric), value: Number(text) };
  });
}

/** Labels and native histograms of an instant vector, as the API writes them. Throws SourceError. */
export function readHistograms(
  json: unknown,
): readonly { readonly labels: Labels; readonly histogram: unknown }[] {
  return readResult(json, 'vector').map((entry) => {
    const { metric, histogram } = asObject(entry, 'a series is not an object');
    return { labels: readLabels(metric), histogram };
  });
}

/** What a query with a range of times found: numbers by time (epoch ms). Throws SourceError source_malformed. */
export function readPoints(json: unknown): readonly {
  readonly labels: Labels;
  readonly points: readonly (readonly [timeMs: number, value: number])[];
}[] {
  return readResult(json, 'matrix').map((entry) => {
    const { metric, values } = asObject(entry, 'a series is not an object');
    const labels = readLabels(metric);
    if (!Array.isArray(values)) throw malformed(`the series ${show(labels)} has no values`);
    const points = values.flatMap((point) => {
      const [seconds, text] = Array.isArray(point) ? point : [];
      if (typeof seconds !== 'number' || !Number.isFinite(seconds) || typeof text !== 'string')
        throw malformed(`a value of ${show(labels)} is ${show(point)}`);
      const value = text.trim() === '' ? Number.NaN : Number(text);
      // VictoriaMetrics answers with NaN where there is nothing.
      return Number.isFinite(value) ? [[Math.round(seconds * 1000), value] as const] : [];
    });
    return { labels, points };
  });
}

function readResult(json: unknown, resultType: 'matrix' | 'vector'): readonly unknown[] {
  const body = asObject(json, 'it is not an object');
  if (body.status !== 'success') throw malformed(`its status is ${show(body.status)}`);
  // Thanos, Mimir and Prometheus (remote read) tell by a warning that some store did not answer.
  const { warnings } = body;
  if (warnings !== undefined && warnings !== null) {
    const told = Array.isArray(warnings) ? warnings.filter((one) => !isInformation(one)) : warnings;
    if (!Array.isArray(told) || told.length > 0) {
      throw malformed(
        `it has warnings, so counts may be missing: ${show(told)}`,
        'A part of the backend did not answer, or its data was cut off. A running gate asks again by itself.',
      );
    }
  }
  if (body.isPartial === true) {
    throw malformed(
      'it is partial, so counts are missing',
      'A storage node of VictoriaMetrics did not answer. A running gate asks again by itself.',
    );
  }
  const data = asObject(body.data, 'it has no data');
  if (data.resultType !== resultType)
    throw malformed(`its result is ${show(data.resultType)}, not a ${resultType}`);
  if (!Array.isArray(data.result)) throw malformed('it has no result');
  return data.result;
}

/** Remarks on a query, such as on the name of its metric. Thanos has them among the warnings, where others have `infos`. */
function isInformation(warning: unknown): boolean {
  return typeof warning === 'string' && warning.startsWith('PromQL info: ');
}

function readLabels(metric: unknown): Labels {
  const labels = asObject(metric, 'a series has no labels');
  for (const value of Object.values(labels))
    if (typeof value !== 'string') throw malformed(`a label is ${show(value)}, not a text`);
  return labels as Labels;
}

function checkLabels(labels: Labels, { metric, serviceLabel, services, exact }: PlannedQuery): void {
  const name = labelOf(labels, '__name__');
  if (name !== metric) throw malformed(`it holds ${show(name)}, and ${metric} was asked for`);
  const service = labelOf(labels, serviceLabel);
  if (!services.has(service))
    throw malformed(`it holds ${serviceLabel}=${show(service)}, which the query excludes`);
  for (const { label, value } of exact) {
    const own = labelOf(labels, label);
    if (own !== value) throw malformed(`it holds ${label}=${show(own)}, which the query excludes`);
  }
}

/** Times of a range may be a little before its begin: some backends include it, and some do not. */
const toleratedMs = 1_000;

function readSamples(
  labels: Labels,
  values: unknown,
  fromMs: number,
  toMs: number,
): CounterSamples | undefined {
  if (!Array.isArray(values)) throw malformed(`the series ${show(labels)} has no values`);
  const times = new Float64Array(values.length);
  const counts = new Float64Array(values.length);
  let used = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const sample of values) {
    const [seconds, text] = Array.isArray(sample) ? sample : [];
    if (typeof text !== 'string') throw malformed(`a sample of ${show(labels)} is ${show(sample)}`);
    const ms = readTime(labels, seconds, lastMs, fromMs, toMs);
    lastMs = ms;
    // VictoriaMetrics marks so where a series ends; Prometheus leaves the marks out.
    if (text === 'NaN') continue;
    const count = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isSafeInteger(count) || count < 0) {
      throw malformed(
        `${show(labels)} counts ${show(text)} events`,
        'Name a counter of requests: a gauge, a rate, a sum of durations and a recording rule are none.',
      );
    }
    times[used] = ms;
    counts[used] = count;
    used += 1;
  }
  return used === 0
    ? undefined
    : { labels, times: times.subarray(0, used), values: counts.subarray(0, used) };
}

/** The time of a sample in epoch ms, from seconds; `lastMs` is that of the one before. Throws SourceError source_malformed. */
export function readTime(
  labels: Labels,
  seconds: unknown,
  lastMs: number,
  fromMs: number,
  toMs: number,
): number {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds))
    throw malformed(`a sample of ${show(labels)} has the time ${show(seconds)}`);
  const ms = Math.round(seconds * 1000);
  if (ms <= lastMs) throw malformed(`two samples of ${show(labels)} are not in the order of time`);
  if (ms > toMs || ms < fromMs - toleratedMs)
    throw malformed(`a sample of ${show(labels)} lies outside the time that was asked for`);
  return ms;
}

export function asObject(value: unknown, otherwise: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(otherwise);
  return value as Record<string, unknown>;
}
