import type { Logger } from 'pino';
import type { ServiceVerdict } from '../domain/service-verdict.ts';
import type { Verdict } from '../domain/verdict.ts';
import type { Evaluation, ServiceEvaluation } from '../evaluate.ts';
import { servicesLabel } from './metrics.ts';
import { jsonText } from './problem.ts';

/** What is made of a verdict once and used for every question that has the same answer. */
export interface Prepared {
  /** Writes the verdict's line; its constant fields were serialised when this was made. */
  readonly log: Logger;
  readonly text: (pretty: boolean) => string;
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
  readonly #cujs = new WeakMap<Evaluation, Prepared>();
  /** By the first of a service's evaluations. */
  readonly #services = new WeakMap<Evaluation, PreparedService>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  cuj(evaluation: Evaluation): Found {
    const known = this.#cujs.get(evaluation);
    if (known !== undefined) return { prepared: known, cached: true };
    const prepared = this.#prepare(evaluation.verdict, cujFields(evaluation.verdict));
    this.#cujs.set(evaluation, prepared);
    return { prepared, cached: false };
  }

  service({ verdict, evaluations }: ServiceEvaluation): Found {
    const [first] = evaluations;
    const known = first === undefined ? undefined : this.#services.get(first);
    if (known !== undefined && sameEvaluations(known.evaluations, evaluations)) {
      return { prepared: known.prepared, cached: true };
    }
    const prepared = this.#prepare(verdict, serviceFields(verdict));
    if (first !== undefined) this.#services.set(first, { evaluations, prepared });
    return { prepared, cached: false };
  }

  /** A verdict that nothing was measured for, so that it will not come again. */
  once(verdict: object, fields: Record<string, unknown>): Found {
    return { prepared: this.#prepare(verdict, fields), cached: false };
  }

  #prepare(verdict: object, fields: Record<string, unknown>): Prepared {
    const texts: [string | undefined, string | undefined] = [undefined, undefined];
    return {
      log: this.#logger.child(fields),
      text(pretty) {
        const at = pretty ? 1 : 0;
        texts[at] ??= jsonText(verdict, pretty);
        return texts[at];
      },
    };
  }
}

function sameEvaluations(a: readonly Evaluation[], b: readonly Evaluation[]): boolean {
  return a.length === b.length && a.every((evaluation, i) => evaluation === b[i]);
}

/** The constant fields of a CUJ verdict's log line. */
export function cujFields(verdict: Verdict): Record<string, unknown> {
  return {
    cuj: verdict.cuj,
    service: servicesLabel(verdict),
    verdict: verdict.verdict,
    reason: verdict.reason,
    ...(verdict.observed === undefined ? {} : { observed: verdict.observed.verdict }),
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
export function serviceFields(verdict: ServiceVerdict): Record<string, unknown> {
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
