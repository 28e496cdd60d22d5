import { durationMs } from '../../../domain/duration.ts';
import { SourceError } from '../../../domain/errors.ts';
import { oneLine } from '../../../domain/outside-text.ts';
import type { SloFacts } from '../../../domain/ports/backend-facts.ts';
import type { BudgetMoment, SliBudget } from '../../../domain/ports/error-budget.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import { withoutKeys } from '../../../domain/redact.ts';
import type { Cuj } from '../../../domain/registry/model.ts';
import type { SliName } from '../../../domain/sli/table.ts';
import { sloName, sloOf } from '../query/slo-queries.ts';
import { malformed, show } from './timeseries-response.ts';

const recentMs = 7 * 86_400_000;

export interface BudgetQuestion {
  readonly cuj: Cuj;
  readonly sli: SliName;
  /** The SLOs that findSlos found. */
  readonly slos: readonly SloFacts[];
  /** Epoch ms. */
  readonly nowMs: number;
  /** Ask for the burn of the last seven days as well: one more call. */
  readonly recent: boolean;
}

/**
 * The error budget of one SLI by `GET /api/v1/slo/{id}/history` over the SLO's window. What Datadog does not know is an
 * unknown budget with the reason; what could not be asked is a SourceError.
 */
export async function readBudget(
  api: JsonApi,
  { cuj, sli, slos, nowMs, recent }: BudgetQuestion,
): Promise<SliBudget> {
  const slo = sloOf(slos, cuj, sli);
  if (slo === undefined) {
    const id = cuj.sloIds[sli];
    return unknown(
      id === undefined
        ? `Datadog has no SLO called "${sloName(cuj, sli)}", and the CUJ names none by sloId`
        : `Datadog has no SLO with the id ${id}`,
    );
  }
  const target = slo.targets.get(cuj.sloWindow);
  if (target === undefined) return unknown(`"${slo.name}" has no target over ${cuj.sloWindow}`);
  const windowMs = durationMs(cuj.sloWindow) as number;
  const history = await ask(api, slo, nowMs - windowMs, nowMs);
  if (history.sli === undefined) return unknown(history.why);
  const remaining = history.remaining.get(cuj.sloWindow);
  if (remaining === undefined)
    return unknown(`the history of "${slo.name}" has no budget over ${cuj.sloWindow}`);
  return {
    known: true,
    remaining: remaining / 100,
    sli: history.sli / 100,
    recentBurn: recent ? await recentBurn(api, slo, target, windowMs, remaining / 100, nowMs) : undefined,
    sloId: slo.id,
    sloName: slo.name,
    target,
    ...(history.buckets === undefined ? {} : { moments: momentsOf(history.buckets, target, nowMs) }),
  };
}

async function recentBurn(
  api: JsonApi,
  slo: SloFacts,
  target: number,
  windowMs: number,
  remaining: number,
  nowMs: number,
): Promise<number | undefined> {
  if (windowMs <= recentMs) return 1 - remaining;
  const { sli } = await ask(api, slo, nowMs - recentMs, nowMs);
  return sli === undefined ? undefined : (100 - sli) / (100 - target);
}

/** Events of one bucket of a history. It begins at `fromMs` and ends where the next one begins. */
interface Bucket {
  readonly fromMs: number;
  readonly good: number;
  readonly total: number;
}

/** `sli` in percent; `remaining` in percent of the budget, by timeframe. `buckets` are absent where the series cannot be read. */
type History =
  | {
      readonly sli: number;
      readonly remaining: ReadonlyMap<string, number>;
      readonly buckets: readonly Bucket[] | undefined;
    }
  | { readonly sli: undefined; readonly why: string };

async function ask(api: JsonApi, slo: SloFacts, fromMs: number, toMs: number): Promise<History> {
  const answer = (await api.getJson(`/api/v1/slo/${encodeURIComponent(slo.id)}/history`, {
    from_ts: Math.floor(fromMs / 1000),
    to_ts: Math.floor(toMs / 1000),
  })) as { data?: { overall?: unknown; series?: unknown } } | null;
  const overall = answer?.data?.overall as Record<string, unknown> | null | undefined;
  if (typeof overall !== 'object' || overall === null)
    throw malformed('the history of an SLO has no overall value');
  const { sli_value: sli, state, error_budget_remaining: remaining } = overall;
  if (sli === null || sli === undefined) {
    return { sli: undefined, why: `"${slo.name}" has no value over its window${reasonOf(overall, state)}` };
  }
  if (typeof sli !== 'number' || !Number.isFinite(sli)) throw malformed(`an SLI is ${show(sli)}`);
  const left = Object.entries((remaining as Record<string, unknown> | null | undefined) ?? {}).filter(
    (entry): entry is [string, number] => Number.isFinite(entry[1]),
  );
  return { sli, remaining: new Map(left), buckets: bucketsOf(answer?.data?.series) };
}

/** For a chart alone: what does not look as expected is left out, and the budget itself is still known. */
function bucketsOf(series: unknown): Bucket[] | undefined {
  const { times, numerator, denominator } = (series ?? {}) as Record<string, unknown>;
  const good = (numerator as { values?: unknown } | undefined)?.values;
  const total = (denominator as { values?: unknown } | undefined)?.values;
  if (!Array.isArray(times) || !Array.isArray(good) || !Array.isArray(total)) return undefined;
  if (good.length !== times.length || total.length !== times.length) return undefined;
  const buckets = times.map((fromMs, i) => ({ fromMs, good: good[i] ?? 0, total: total[i] ?? 0 }));
  return buckets.every((bucket) => Object.values(bucket).every(Number.isFinite)) ? buckets : undefined;
}

/** What was left at the end of each bucket, of the budget of the whole window. */
function momentsOf(buckets: readonly Bucket[], target: number, untilMs: number): BudgetMoment[] {
  const allowed = (1 - target / 100) * buckets.reduce((sum, { total }) => sum + total, 0);
  if (!(allowed > 0)) return [];
  let bad = 0;
  return buckets.map(({ good, total }, i) => {
    bad += Math.max(0, total - good);
    return { atMs: buckets[i + 1]?.fromMs ?? untilMs, remaining: 1 - bad / allowed };
  });
}

function reasonOf({ errors }: Record<string, unknown>, state: unknown): string {
  const texts = (Array.isArray(errors) ? errors : []).map((error) => String(error?.error_message ?? ''));
  const text = texts.filter((one) => one !== '').join('; ') || (typeof state === 'string' ? state : '');
  return text === '' ? '' : ` (${oneLine(withoutKeys(text)).slice(0, 200)})`;
}

function unknown(why: string): SliBudget {
  return { known: false, why };
}

/** An unknown budget for what could not be asked; anything but a SourceError is ours and stays an exception. */
export function unasked(error: unknown): SliBudget {
  if (!(error instanceof SourceError)) throw error;
  return unknown(`it could not be read (${error.code}): ${error.message.replace(/\.$/, '')}`);
}
