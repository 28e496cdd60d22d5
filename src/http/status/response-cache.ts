import type { Logger } from 'pino';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import type { Evaluation, ServiceEvaluation } from '../../evaluation/evaluator.ts';
import { type GateMetrics, servicesLabel, type Tally } from '../operations/metrics.ts';
import { jsonText } from '../server/problem.ts';

/** What is made of a verdict once and used for every question that has the same answer. */
export interface Prepared {
  /** Writes the verdict's line; its constant fields were serialised when this was made. */
  readonly log: Logger;
  /** What its answers are counted by. */
  readonly tally: Tally;
  /** The answer's body, as it is sent: a text would be measured and encoded anew for every answer. */
  readonly body: (pretty: boolean) => Buffer;
}

interface PreparedService {
  readonly evaluations: readonly Evaluation[];
  readonly prepared: Prepared;
}

/** A verdict ready to be sent, and whether it was ready already. */
export interface Found {
  readonly prepared: Prepared;
  readonly cached: boolean;
}

/**
 * Keeps what verdicts look like. The evaluator gives the same Evaluation object for the same answer, so identity is the
 * key and nothing can be stale.
 */
export class PreparedVerdicts {
  readonly #logger: Logger;
  readonly #metrics: Pick<GateMetrics, 'tally'>;
  readonly #cujs = new WeakMap<Evaluation, Prepared>();
  /** By the first of a service's evaluations. */
  readonly #services = new WeakMap<Evaluation, PreparedService>();

  constructor(logger: Logger, metrics: Pick<GateMetrics, 'tally'>) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  cuj(evaluation: Evaluation): Found {
    const known = this.#cujs.get(evaluation);
    if (known !== undefined) return { prepared: known, cached: true };
    const prepared = this.#prepare(evaluation.verdict);
    this.#cujs.set(evaluation, prepared);
    return { prepared, cached: false };
  }

  service({ verdict, evaluations }: ServiceEvaluation): Found {
    const [first] = evaluations;
    const known = first === undefined ? undefined : this.#services.get(first);
    if (known !== undefined && sameEvaluations(known.evaluations, evaluations)) {
      return { prepared: known.prepared, cached: true };
    }
    const prepared = this.#prepare(verdict);
    if (first !== undefined) this.#services.set(first, { evaluations, prepared });
    return { prepared, cached: false };
  }

  /** A verdict that nothing was measured for, so that it will not come again. */
  once(verdict: Verdict | ServiceVerdict): Found {
    return { prepared: this.#prepare(verdict), cached: false };
  }

  #prepare(verdict: Verdict | ServiceVerdict): Prepared {
    const fields = 'cuj' in verdict ? cujFields(verdict) : serviceFields(verdict);
    const bodies: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
    return {
      log: this.#logger.child(fields),
      tally: this.#metrics.tally(fields.cuj, fields.service, verdict.verdict, verdict.reason),
      body(pretty) {
        const at = pretty ? 1 : 0;
        bodies[at] ??= Buffer.from(jsonText(verdict, pretty));
        return bodies[at];
      },
    };
  }
}

function sameEvaluations(a: readonly Evaluation[], b: readonly Evaluation[]): boolean {
  return a.length === b.length && a.every((evaluation, i) => evaluation === b[i]);
}

type LogFields = { readonly cuj: string; readonly service: string } & Readonly<Record<string, unknown>>;

/** The constant fields of a CUJ verdict's log line. */
function cujFields(verdict: Verdict): LogFields {
  return {
    cuj: verdict.cuj,
    service: servicesLabel(verdict),
    verdict: verdict.verdict,
    reason: verdict.reason,
    ...(verdict.wouldBe === undefined ? {} : { wouldBe: verdict.wouldBe.verdict }),
    canary: verdict.canary,
    stable: verdict.stable,
    ...(verdict.window === undefined
      ? {}
      : { window: { from: verdict.window.from, to: verdict.window.to, start: verdict.window.start } }),
    sli: Object.fromEntries(
      verdict.slis.map(({ sli, value, bad, total, evidence }) => [sli, { value, bad, total, evidence }]),
    ),
  };
}

/** The constant fields of a service verdict's log line. */
function serviceFields(verdict: ServiceVerdict): LogFields {
  return {
    cuj: '*',
    service: verdict.service,
    verdict: verdict.verdict,
    reason: verdict.reason,
    canary: verdict.canary,
    stable: verdict.stable,
    cujs: Object.fromEntries(verdict.cujs.map((cuj) => [cuj.cuj, cuj.verdict])),
  };
}
