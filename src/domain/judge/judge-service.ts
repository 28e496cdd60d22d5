import type { RuleName } from '../registry/rules.ts';
import type { Verdict } from './judge.ts';
import type { SliVerdict } from './judge-sli.ts';
import { percent, plain } from './number-text.ts';
import { compareJudged, type Outcome, type Reason } from './outcome.ts';
import { summaryText } from './summary.ts';

/** All `enforce` CUJs of a service, ANDed: the worst verdict decides. */
export interface ServiceVerdict {
  readonly summary: string;
  readonly verdict: Outcome;
  readonly ok: boolean;
  readonly reason: Reason;
  readonly hint: string;
  readonly service: string;
  /** As in the verdicts of its CUJs. */
  readonly environment?: string;
  readonly canary: string;
  readonly stable: string;
  /** Worst first; report-only CUJs last. */
  readonly cujs: readonly ServiceCuj[];
  readonly registry: string;
}

/** What a service's verdict shows of each SLI, in this order; the CUJ's own verdict has the rest. */
const sliFields = [
  'sli',
  'verdict',
  'reason',
  'value',
  'objective',
  'bad',
  'total',
  'evidence',
  'failAtBadEvents',
  'requestsToVerdict',
] as const satisfies readonly (keyof SliVerdict)[];

export type ServiceSli = Pick<SliVerdict, (typeof sliFields)[number]>;

export interface ServiceCuj {
  readonly cuj: string;
  readonly summary: string;
  readonly verdict: Outcome;
  readonly reason: Reason;
  readonly mode: 'enforce' | 'observe';
  readonly owner: string;
  readonly rule: RuleName;
  /** As in the CUJ's own verdict. */
  readonly ruleChangedBy?: string;
  readonly budgetNote?: string;
  readonly slis: readonly ServiceSli[];
}

const words: Readonly<Record<Outcome, string>> = { pass: 'PASS', fail: 'FAIL', inconclusive: 'INCONCLUSIVE' };

/** Ands the verdicts of a service's CUJs. Pure. Alpha was shared among them when they were judged. */
export function judgeService(
  service: string,
  registry: string,
  verdicts: readonly Verdict[],
): ServiceVerdict {
  const sorted = [...verdicts].sort(
    (a, b) =>
      Number(a.mode === 'observe') - Number(b.mode === 'observe') ||
      compareJudged(a, b) ||
      (a.cuj < b.cuj ? -1 : 1),
  );
  const enforced = sorted.filter((verdict) => verdict.mode === 'enforce');
  const worst = enforced[0];
  const outcome: Outcome = worst?.verdict ?? 'inconclusive';
  const reason: Reason = worst?.reason ?? 'no_enforced_cujs';
  return {
    summary: summaryText(`${words[outcome]} ${service} (${reason}): ${body(enforced)}`),
    verdict: outcome,
    ok: outcome === 'pass',
    reason,
    hint:
      worst?.hint ??
      'Give a CUJ of this service mode: enforce, or judge a CUJ of its own at /cujs/NAME/status.',
    service,
    ...(sorted[0]?.environment === undefined ? {} : { environment: sorted[0].environment }),
    canary: worst?.canary ?? sorted[0]?.canary ?? '',
    stable: worst?.stable ?? sorted[0]?.stable ?? '',
    cujs: sorted.map(serviceCuj),
    registry,
  };
}

function body(enforced: readonly Verdict[]): string {
  const worst = enforced[0];
  if (worst === undefined) return 'no CUJ of this service is enforced, so there is nothing to pass';
  const of = (outcome: Outcome) => enforced.filter((verdict) => verdict.verdict === outcome);
  if (worst.verdict === 'pass')
    return `${enforced.length === 1 ? 'its CUJ passes' : `all ${enforced.length} CUJs pass`}: ${enforced.map(shortly).join(', ')}`;
  const open = of(worst.verdict);
  const detail = worst.summary.replace(/^[A-Z]+ /, '');
  const others =
    open.length > 1
      ? `; also ${open
          .slice(1)
          .map((verdict) => verdict.cuj)
          .join(', ')}`
      : '';
  // The list of names is the shorter and the more useful half, so the detail gives way first.
  const room = 300 - 60 - service(worst).length - others.length;
  const short = detail.length > room ? `${detail.slice(0, Math.max(80, room - 3))}...` : detail;
  return `${open.length} of ${enforced.length} CUJs: ${short}${others}`;
}

function service(verdict: Verdict): string {
  return verdict.services.join('');
}

function shortly(verdict: Verdict): string {
  const sli = verdict.slis[0];
  return sli === undefined || sli.value === null
    ? verdict.cuj
    : `${verdict.cuj} ${percent(sli.value)} of ${plain(sli.total)}`;
}

function serviceCuj(verdict: Verdict): ServiceCuj {
  return {
    cuj: verdict.cuj,
    summary: verdict.summary,
    verdict: verdict.verdict,
    reason: verdict.reason,
    mode: verdict.mode,
    owner: verdict.owner,
    rule: verdict.rule,
    ...(verdict.ruleChangedBy === undefined ? {} : { ruleChangedBy: verdict.ruleChangedBy }),
    ...(verdict.budgetNote === undefined ? {} : { budgetNote: verdict.budgetNote }),
    slis: verdict.slis.map(serviceSli),
  };
}

function serviceSli(sli: SliVerdict): ServiceSli {
  return Object.fromEntries(sliFields.map((field) => [field, sli[field]])) as ServiceSli;
}
