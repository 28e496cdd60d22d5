import type { Verdict } from '../../domain/judge/judge.ts';
import { type WrittenMeasurement, writeMeasurement } from '../../domain/metrics/measurement-json.ts';
import type { EndpointMeasurement, Measurement, SentQuery } from '../../domain/metrics/metrics-source.ts';
import { allSlis, mapSlis } from '../../domain/sli/by-sli.ts';
import type { Evaluation, ServiceEvaluation } from '../../evaluation/evaluator.ts';

/**
 * What `explain` adds to a response. A service may have thousands of endpoints, each with counts for every minute: to write
 * all of them would delay other responses. Omitted parts are counted.
 */

/** Size limit of these parts, in characters of compact JSON. Partly estimated. */
export const maxExplainedChars = 256 * 1024;

/** What is still free. */
interface Room {
  chars: number;
}

/** Numbers of omitted items. */
export interface Omitted {
  readonly queries: number;
  readonly endpoints: number;
}

export interface Explained {
  readonly queries: readonly SentQuery[];
  readonly measurement?: WrittenMeasurement;
  readonly omitted?: Omitted;
}

export function explainCuj(evaluation: Evaluation): Explained {
  return explainWithin(evaluation, { chars: maxExplainedChars });
}

/** The whole verdicts of a service, the worst first, as many as there is room for; one at least. */
export function explainService({ verdict, evaluations }: ServiceEvaluation) {
  const room: Room = { chars: maxExplainedChars };
  const byCuj = new Map(evaluations.map((evaluation) => [evaluation.verdict.cuj, evaluation]));
  const verdicts: (Verdict & Explained)[] = [];
  for (const { cuj } of verdict.cujs) {
    if (room.chars <= 0) break;
    const evaluation = byCuj.get(cuj) as Evaluation;
    room.chars -= charsOfVerdict(evaluation.verdict);
    verdicts.push({ ...evaluation.verdict, ...explainWithin(evaluation, room) });
  }
  const omitted = evaluations.length - verdicts.length;
  return { verdicts, ...(omitted === 0 ? {} : { verdictsOmitted: omitted }) };
}

function explainWithin({ queries, measurement }: Evaluation, room: Room): Explained {
  const shown = firstThatFit(queries, ({ name, query }) => name.length + query.length + 30, room, 1 / 2);
  if (measurement === undefined) return withOmitted({ queries: shown }, queries.length - shown.length, 0);
  const kept: Measurement = {
    ...measurement,
    ...mapSlis<readonly EndpointMeasurement[], readonly EndpointMeasurement[]>(measurement, (endpoints) =>
      worstThatFit(endpoints, room),
    ),
  };
  return withOmitted(
    { queries: shown, measurement: writeMeasurement(kept) },
    queries.length - shown.length,
    allSlis(measurement).length - allSlis(kept).length,
  );
}

function withOmitted(explained: Explained, queries: number, endpoints: number): Explained {
  return queries + endpoints === 0 ? explained : { ...explained, omitted: { queries, endpoints } };
}

/** Takes from the front as long as it fits into this share of the room. */
function firstThatFit<T>(all: readonly T[], charsOf: (one: T) => number, room: Room, share: number): T[] {
  let left = room.chars * share;
  const fitting: T[] = [];
  for (const one of all) {
    const chars = charsOf(one);
    if (chars > left) break;
    left -= chars;
    room.chars -= chars;
    fitting.push(one);
  }
  return fitting;
}

/** Those with the most bad events on the canary, in the order that they had. */
function worstThatFit(all: readonly EndpointMeasurement[], room: Room): EndpointMeasurement[] {
  const bad = new Map(all.map((of) => [of, of.canary.bad.reduce((sum, count) => sum + count, 0)]));
  const worstFirst = [...all].sort((a, b) => (bad.get(b) as number) - (bad.get(a) as number));
  const fitting = new Set(firstThatFit(worstFirst, charsOfEndpoint, room, 1));
  return all.filter((of) => fitting.has(of));
}

/** Names and members, and some four characters a count. */
function charsOfEndpoint({ canary, stable }: EndpointMeasurement): number {
  const counts = [canary, stable].reduce(
    (sum, { total, bad, withStatus }) => sum + total.length + bad.length + (withStatus?.length ?? 0),
    0,
  );
  return 200 + 4 * counts;
}

function charsOfVerdict({ slis }: Verdict): number {
  return 2_000 + slis.reduce((sum, { endpoints }) => sum + 300 * endpoints.length, 0);
}
