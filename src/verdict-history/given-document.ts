import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Verdict } from '../domain/judge/judge.ts';
import type { ServiceVerdict } from '../domain/judge/judge-service.ts';
import type { Outcome, Reason } from '../domain/judge/outcome.ts';
import {
  cujRecordFormat,
  readRecord,
  recordOf,
  serviceRecordFormat,
  type VerdictRecord,
} from '../domain/judge/verdict-record.ts';
import type { Measurement } from '../domain/metrics/metrics-source.ts';
import type { AskedAbout, GivenChange, GivenEntry, GivenRecord } from '../domain/ports/verdict-history.ts';
import { allSlis } from '../domain/sli/by-sli.ts';

/** A verdict as a store keeps it: a record of `evaluate --record`, with the member `given`. */

/** A verdict that is to be kept. */
export interface KeptVerdict {
  readonly change: GivenChange;
  readonly entry: GivenEntry;
}

/** A record with more numbers is kept without its measurement: writing it would take the process too long. */
const maxNumbers = 1_000_000;

const outcomes: readonly string[] = ['pass', 'fail', 'inconclusive'] satisfies Outcome[];

export function changeOf(entry: GivenEntry, id: string): GivenChange {
  const { atMs, about, window, since, caller, verdict } = entry;
  return {
    id,
    atMs,
    about,
    ...(window === undefined ? {} : { window }),
    ...(since === undefined ? {} : { since }),
    ...(caller === undefined ? {} : { caller }),
    verdict: verdict.verdict,
    reason: verdict.reason,
    summary: verdict.summary,
    canary: verdict.canary,
    stable: verdict.stable,
    registry: verdict.registry,
  };
}

/** The document's text. It is made CUJ by CUJ, so that a service with many does not hold up the process. */
export async function textOf({ change, entry }: KeptVerdict): Promise<string> {
  const { verdict, judged } = entry;
  const { id, atMs, about, window, since, caller } = change;
  const given = JSON.stringify({ id, at: new Date(atMs).toISOString(), about, window, since, caller });
  const records: string[] = [];
  if (numbersIn(entry) <= maxNumbers) {
    for (const one of judged) {
      const record = recordOf(one);
      if (record === undefined) break;
      records.push(JSON.stringify(record));
      await nextTurn();
    }
  }
  const isComplete = judged.length > 0 && records.length === judged.length;
  if ('cujs' in verdict) {
    const head = `{"format":"${serviceRecordFormat}","given":${given},"service":${JSON.stringify(verdict.service)},"registry":${JSON.stringify(verdict.registry)}`;
    const list = isComplete ? `,"records":[${records.join()}]` : '';
    return `${head}${list},"verdict":${JSON.stringify(verdict)}}\n`;
  }
  if (!isComplete)
    return `{"format":"${cujRecordFormat}","given":${given},"verdict":${JSON.stringify(verdict)}}\n`;
  const [record = ''] = records;
  // A record begins with its format; what was given goes behind it.
  const head = `{"format":"${cujRecordFormat}"`;
  return `${head},"given":${given}${record.slice(head.length)}\n`;
}

function numbersIn({ judged }: GivenEntry): number {
  return judged.reduce(
    (sum, { measurement }) => sum + (measurement === undefined ? 0 : countOf(measurement)),
    0,
  );
}

function countOf(measurement: Measurement): number {
  let numbers = 0;
  for (const { canary, stable, recentBad } of allSlis(measurement)) {
    for (const { total, bad, withStatus, unclassified } of [canary, stable])
      numbers += total.length + bad.length + (withStatus?.length ?? 0) + (unclassified?.length ?? 0);
    numbers += recentBad?.length ?? 0;
  }
  return numbers;
}

/** Undefined where the text is none of ours: it was damaged or edited. */
export function readDocument(text: string): GivenRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || !isObject(value.given) || !isObject(value.verdict)) return undefined;
  const verdict = value.verdict as unknown as Verdict | ServiceVerdict;
  const { at, ...given } = value.given;
  const change = readChange({ ...given, ...shownOf(verdict), atMs: Date.parse(String(at)) });
  if (change === undefined) return undefined;
  let record: VerdictRecord | undefined;
  try {
    record = readRecord(value);
  } catch {
    // Nothing was measured.
  }
  return { ...change, given: verdict, ...(record === undefined ? {} : { record }) };
}

function shownOf(verdict: Verdict | ServiceVerdict): object {
  const { verdict: outcome, reason, summary, canary, stable, registry } = verdict;
  return { verdict: outcome, reason, summary, canary, stable, registry };
}

/** Undefined where the value is no change. */
export function readChange(value: unknown): GivenChange | undefined {
  if (!isObject(value) || !isObject(value.about)) return undefined;
  const { id, atMs, about, window, since, caller, verdict, reason, summary, canary, stable, registry } =
    value;
  const asked = readAbout(about);
  const texts = [id, verdict, reason, summary, canary, stable, registry];
  if (asked === undefined || !texts.every((text) => typeof text === 'string')) return undefined;
  if (typeof atMs !== 'number' || !Number.isFinite(atMs) || !outcomes.includes(verdict as string))
    return undefined;
  return {
    id: id as string,
    atMs,
    about: asked,
    ...(typeof window === 'string' ? { window } : {}),
    ...(typeof since === 'string' ? { since } : {}),
    ...(typeof caller === 'string' ? { caller } : {}),
    verdict: verdict as Outcome,
    reason: reason as Reason,
    summary: summary as string,
    canary: canary as string,
    stable: stable as string,
    registry: registry as string,
  };
}

function readAbout({
  kind,
  name,
  params,
  service,
  environment,
}: Readonly<Record<string, unknown>>): AskedAbout | undefined {
  if ((kind !== 'cuj' && kind !== 'service') || typeof name !== 'string' || !isObject(params))
    return undefined;
  if (!Object.values(params).every((text) => typeof text === 'string')) return undefined;
  return {
    kind,
    name,
    params: params as Record<string, string>,
    ...(typeof service === 'string' ? { service } : {}),
    ...(typeof environment === 'string' ? { environment } : {}),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
