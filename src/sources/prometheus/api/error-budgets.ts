import { durationMs } from '../../../domain/duration.ts';
import { SourceError } from '../../../domain/errors.ts';
import { slisOf } from '../../../domain/judge/judge.ts';
import type { BudgetMoment, CujBudget, SliBudget } from '../../../domain/ports/error-budget.ts';
import type { JsonApi } from '../../../domain/ports/json-api.ts';
import type { Cuj } from '../../../domain/registry/model.ts';
import { type SliName, sliKinds } from '../../../domain/sli/table.ts';
import { type Labels, labelOf, matcherText } from '../query/label-matchers.ts';
import { recorded, recordedLabels, recordedSlis, unclassifiedPart } from '../query/recorded-series.ts';
import type { PrometheusConnection } from './connection.ts';
import { readPoints, readVector } from './matrix-response.ts';

/** The burn of this span is the recent one. */
const recentWindow = '7d';
/** Points of a chart over the SLO's window. */
const chartPoints = 30;

export interface BudgetReadOptions {
  /** The burn of the last seven days, and how the budget was used up, as well: three more calls. */
  readonly recent: boolean;
  readonly onProgress?: (done: number, of: number) => void;
  /** Ends what is being asked. */
  readonly signal?: AbortSignal;
}

/** The instant queries of a connection as the port that replicas share: `GET /api/v1/query` with `query` and `time` in seconds. */
export function createPrometheusApi(connection: PrometheusConnection): JsonApi {
  const never = new AbortController().signal;
  const ask: JsonApi['getJson'] = async (_, { query = '', time = 0 } = {}, signal = never) =>
    connection.attempt(
      async (inner) => (await connection.instant(String(query), Number(time) * 1000, inner)).json,
      signal,
    );
  return {
    getJson: ask,
    postJson: () => {
      throw new TypeError('queries of error budgets are read by getJson');
    },
  };
}

/**
 * The error budgets of some CUJs, as the rules of `generate prometheus-slos` record them: one query for all, and with `recent`
 * three more. What is not recorded, or could not be asked, is an unknown budget with the reason.
 */
export async function readBudgets(
  api: JsonApi,
  cujs: readonly Cuj[],
  nowMs: number,
  options: BudgetReadOptions,
): Promise<CujBudget[]> {
  const { signal, onProgress, recent } = options;
  const time = Math.floor(nowMs / 1000);
  const ask = (query: string) => api.getJson('/api/v1/query', { query, time }, signal);
  const count = cujs.reduce((sum, cuj) => sum + slisOf(cuj).length, 0);
  const all = (of: (cuj: Cuj, sli: SliName) => SliBudget): CujBudget[] =>
    cujs.map((cuj) => ({ cuj, slis: new Map(slisOf(cuj).map((sli) => [sli, of(cuj, sli)])) }));
  let known: Known;
  try {
    known = await readKnown(ask, cujs, recent);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    const why = `it could not be read (${error.code}): ${error.message.replace(/\.$/, '')}`;
    return all(() => ({ known: false, why }));
  } finally {
    onProgress?.(count, count);
  }
  return all((cuj, sli) => budgetOf(cuj, sli, known));
}

interface Series<Value> {
  readonly labels: Labels;
  readonly value: Value;
}

interface Known {
  readonly values: readonly Series<number>[];
  /** By name, with the errors and requests of each step of the windows. */
  readonly steps: readonly Series<readonly (readonly [timeMs: number, value: number])[]>[];
  readonly recentRatios: readonly Series<number>[];
}

async function readKnown(
  ask: (query: string) => Promise<unknown>,
  cujs: readonly Cuj[],
  recent: boolean,
): Promise<Known> {
  const names = [
    recorded.objective,
    recorded.windowErrorRatio,
    recorded.windowUnclassifiedRatio,
    recorded.budgetRemaining,
  ];
  const values = readVector(await ask(`{__name__=~"${names.join('|')}"}`));
  if (!recent) return { values, steps: [], recentRatios: [] };
  const recentRatios = readVector(
    await ask(
      `sum_over_time(${recorded.bad}[${recentWindow}]) / (sum_over_time(${recorded.requests}[${recentWindow}]) > 0)`,
    ),
  );
  const steps: Series<readonly (readonly [number, number])[]>[] = [];
  for (const window of new Set(cujs.map(({ sloWindow }) => sloWindow))) {
    const step = stepOf(window);
    for (const name of [recorded.bad, recorded.requests]) {
      const found = readPoints(await ask(`(sum_over_time(${name}[${step}h]))[${window}:${step}h]`));
      steps.push(
        ...found.map(({ labels, points }) => ({
          labels: { ...labels, __name__: name, slo_window: window },
          value: points,
        })),
      );
    }
  }
  return { values, steps, recentRatios };
}

/** Hours. */
function stepOf(window: Cuj['sloWindow']): number {
  return Math.max(1, Math.floor((Number.parseInt(window, 10) * 24) / chartPoints));
}

function budgetOf(cuj: Cuj, sli: SliName, { values, steps, recentRatios }: Known): SliBudget {
  if (!recordedSlis.includes(sli))
    return unknown('cuj-gate generate prometheus-slos makes no rules of this SLI yet');
  const id = recordedLabels(cuj, sli);
  const own = { ...id, slo_window: cuj.sloWindow };
  const of = (name: string) => only(values, { ...own, __name__: name });
  const name = `${recorded.budgetRemaining}{${Object.entries(own)
    .map(([label, value]) => matcherText({ label, operator: '=', value }))
    .join(',')}}`;
  const [remaining, ratio, objective] = [
    of(recorded.budgetRemaining),
    of(recorded.windowErrorRatio),
    of(recorded.objective),
  ];
  if ([remaining, ratio, objective].includes('several'))
    return unknown(`Prometheus has several series ${name}`);
  if (objective === undefined) {
    const left = sliKinds[sli].needsThreshold
      ? ', whose first lines name what no rules are made of, such as some thresholds of native histograms'
      : '';
    return unknown(
      `Prometheus has no series ${name}: load the rules of cuj-gate generate prometheus-slos${left}`,
    );
  }
  if (ratio === undefined)
    return unknown(`${name} is not there: no requests are recorded in ${cuj.sloWindow}`);
  const lost = of(recorded.windowUnclassifiedRatio);
  const allowed = typeof objective === 'number' ? unclassifiedPart * (1 - objective) : 0;
  if (remaining === undefined && typeof lost === 'number' && lost > allowed)
    return unknown(
      `${name} is not there: of ${percentText(lost)} of the requests in ${cuj.sloWindow} it is unknown whether they were slow, and ${percentText(allowed)} may be. They have no duration, or no bucket ends at latencyMs: cuj-gate doctor says which`,
    );
  if (remaining === undefined)
    return unknown(`${name} is not there yet: the rules know less than a third of ${cuj.sloWindow}`);
  const [left, bad, target] = [remaining, ratio, objective] as readonly number[] as [number, number, number];
  if (![left, bad, target].every(Number.isFinite) || bad < 0 || bad > 1 || target <= 0 || target >= 1)
    return unknown(
      `${name} cannot be right: ${left} of the budget, ${bad} of the requests, objective ${target}`,
    );
  const recentRatio = only(recentRatios, id);
  return {
    known: true,
    remaining: left,
    sli: 1 - bad,
    recentBurn: typeof recentRatio === 'number' ? recentRatio / (1 - target) : undefined,
    sloId: name,
    sloName: name,
    target: Math.round(target * 100_000) / 1_000,
    ...momentsOf(steps, own, 1 - target, cuj),
  };
}

/** What was left at the end of each step, of the budget of the whole window. */
function momentsOf(
  steps: Known['steps'],
  own: Readonly<Record<string, string>>,
  budget: number,
  cuj: Cuj,
): { readonly moments?: readonly BudgetMoment[] } {
  const bads = only(steps, { ...own, __name__: recorded.bad });
  const totals = only(steps, { ...own, __name__: recorded.requests });
  if (!Array.isArray(bads) || !Array.isArray(totals)) return {};
  const times = totals.map(([timeMs]) => timeMs as number);
  const first = (times.at(-1) ?? 0) - (durationMs(cuj.sloWindow) as number);
  // A backend may answer with the begin of the range as well, which is the end of a step before it.
  const within = times.filter((timeMs) => timeMs > first);
  const at = (points: readonly (readonly [number, number])[]) => new Map(points);
  const [badAt, totalAt] = [at(bads), at(totals)];
  const allowed = budget * within.reduce((sum, timeMs) => sum + (totalAt.get(timeMs) as number), 0);
  if (!(allowed > 0)) return {};
  let used = 0;
  const moments = within.map((atMs) => {
    used += badAt.get(atMs) ?? 0;
    return { atMs, remaining: 1 - used / allowed };
  });
  return { moments };
}

/** The value of the one series that has these labels, and no environment if they name none. */
function only<Value>(
  series: readonly Series<Value>[],
  labels: Readonly<Record<string, string>>,
): Value | 'several' | undefined {
  const wanted = { environment: '', ...labels };
  const found = series.filter((one) =>
    Object.entries(wanted).every(([label, value]) => labelOf(one.labels, label) === value),
  );
  return found.length > 1 ? 'several' : found[0]?.value;
}

function percentText(share: number): string {
  return `${Number((share * 100).toPrecision(2))}%`;
}

function unknown(why: string): SliBudget {
  return { known: false, why };
}
