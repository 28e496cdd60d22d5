import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { servicesLabel } from '../operations/metrics.ts';

/** What the log line of a verdict says about it. */
export type LogFields = { readonly cuj: string; readonly service: string } & Readonly<
  Record<string, unknown>
>;

/** `cuj` is `*` for the verdict about a whole service. */
export function logFields(verdict: Verdict | ServiceVerdict): LogFields {
  return 'cuj' in verdict ? cujFields(verdict) : serviceFields(verdict);
}

function environmentOf({ environment }: Verdict | ServiceVerdict) {
  return environment === undefined ? {} : { environment };
}

function cujFields(verdict: Verdict): LogFields {
  return {
    cuj: verdict.cuj,
    service: servicesLabel(verdict),
    ...environmentOf(verdict),
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

function serviceFields(verdict: ServiceVerdict): LogFields {
  return {
    cuj: '*',
    service: verdict.service,
    ...environmentOf(verdict),
    verdict: verdict.verdict,
    reason: verdict.reason,
    canary: verdict.canary,
    stable: verdict.stable,
    cujs: Object.fromEntries(verdict.cujs.map((cuj) => [cuj.cuj, cuj.verdict])),
  };
}
