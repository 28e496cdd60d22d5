import Type, { type Static } from 'typebox';
import { sourceErrorCodes } from '../../domain/errors.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import type { Reason } from '../../domain/judge/outcome.ts';
import { ruleNames } from '../../domain/registry/rules.ts';
import { sliNames } from '../../domain/sli/table.ts';
import type { ProblemCode } from '../server/problem.ts';
import { Closed, literals } from './schema-parts.ts';

/** What the two status routes answer. The types of the domain are checked against these at the foot of the file. */

export const reasons = [
  'within_slo',
  'not_worse_than_stable',
  'slo_violated',
  'worse_than_stable',
  'no_data',
  'insufficient_traffic',
  'limited_evidence',
  'within_noise',
  'shared_cause',
  'canary_indistinguishable',
  'canary_restarting',
  'endpoint_unreached',
  'status_missing',
  'threshold_unmet',
  'source_stale',
  'clock_skew',
  'observe_only',
  'no_enforced_cujs',
  ...sourceErrorCodes,
] as const satisfies readonly Reason[];

const Ratio = Type.Number({ minimum: 0, maximum: 1 });
const Count = Type.Number({ minimum: 0 });
const OrNull = <T extends ReturnType<typeof Type.Number>>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });
const Outcome = literals(['pass', 'fail', 'inconclusive']);
const ReasonCode = literals(reasons, 'Why. A closed set.');
const RuleName = literals(ruleNames);
const Mode = literals(['enforce', 'observe']);
const SliName = literals(sliNames);
const Summary = Type.String({
  maxLength: 300,
  pattern: '^(PASS|FAIL|INCONCLUSIVE) [^<>&]*$',
  description: 'The verdict, the numbers and the reason in one line; what an AnalysisTemplate judges.',
});
const Digest = Type.String({
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'The registry that the verdict was made against.',
});

const side = {
  good: Count,
  bad: Count,
  total: Count,
  value: OrNull(Ratio, 'The SLI, good over total; null without events.'),
};

const EndpointVerdictSchema = Closed({
  endpoint: Type.String(),
  service: Type.String(),
  resource: Type.String({ description: 'The resource_name that Datadog stores.' }),
  latencyMs: Type.Optional(Type.Number({ description: 'A bad event is slower than this.' })),
  ...side,
  evidence: Count,
  allowedRate: Type.Number({ description: 'The rate of bad events that is held against it.' }),
  failAtBadEvents: OrNull(Type.Number(), 'How many bad events on this endpoint alone would fail the CUJ.'),
  stable: Closed(side),
});

const SliVerdictSchema = Closed({
  sli: SliName,
  verdict: Outcome,
  reason: ReasonCode,
  objective: Ratio,
  ...side,
  burnRate: OrNull(Count, '(1 - SLI) / (1 - objective).'),
  evidence: Type.Number({ description: 'At evidenceThreshold the SLO is taken as violated.' }),
  evidenceThreshold: Type.Number(),
  rulesOutRate: Type.Number({
    description:
      'Every greater rate of bad events is ruled out (the one-sided 95% upper bound); under a rule that compares (baseline) in minutes with stable beside the canary.',
  }),
  failAtBadEvents: OrNull(
    Type.Number(),
    'The abort threshold: the fewest bad events at this traffic that fail.',
  ),
  requestsToVerdict: OrNull(
    Type.Number(),
    'Clean requests until a pass that rests on neither passAfter nor onLowTraffic; null where traffic alone leads to none.',
  ),
  sharedUntil: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'Until then stable failed alike; everything in this SLI is about the time after it.',
    }),
  ),
  limitedPass: Type.Optional(
    Closed(
      {
        requests: Type.Integer({ minimum: 0, description: 'Clean requests that are missing.' }),
        seconds: Type.Number({ minimum: 0, description: 'Until passAfter is over.' }),
      },
      { description: 'What is missing for a pass with limited evidence.' },
    ),
  ),
  badMinutes: Type.Integer({
    minimum: 0,
    description:
      'Minutes with bad events, under a rule that compares (baseline) with stable beside the canary. A fail needs two, except under strict.',
  }),
  stable: Closed({ ...side, evidence: Type.Number() }),
  shareEvidence: Type.Number({
    description:
      'How strongly bad events single out the canary against stable; under a rule that compares (baseline) in the minutes with stable beside the canary.',
  }),
  missingStatus: Type.Optional(
    Closed(
      {
        side: literals(['canary', 'stable']),
        service: Type.String(),
        endpoint: Type.String(),
        requests: Type.Number(),
        total: Type.Number(),
        other: Closed({ requests: Type.Number(), total: Type.Number() }),
      },
      {
        description:
          'So many of so many requests of this side on this endpoint carry no http.status_code, and so many of the other side. What fails among them is not seen, so there is no pass (stable: no fail under a rule that compares).',
      },
    ),
  ),
  unmetThreshold: Type.Optional(
    Closed(
      { latencyMs: Type.Number(), requests: Type.Number() },
      {
        description:
          'Neither the canary nor stable had one request within this threshold, of so many. With a fail, the endpoints of such thresholds are left out of everything else.',
      },
    ),
  ),
  unreached: Type.Optional(
    Type.Array(
      Closed({ endpoint: Type.String(), service: Type.String(), predicted: Type.Integer({ minimum: 0 }) }),
      {
        description:
          'Endpoints without a request of the canary, though its share of the traffic predicts so many. Listed beside every outcome; no reason for any.',
      },
    ),
  ),
  endpoints: Type.Array(EndpointVerdictSchema, { description: 'Worst first.' }),
});

const explained = {
  queries: Type.Optional(
    Type.Array(Closed({ name: Type.String(), query: Type.String() }), {
      description: 'With explain: what was sent to Datadog.',
    }),
  ),
  measurement: Type.Optional(
    Type.Object({}, { description: 'With explain: the counts by minute that the verdict is a function of.' }),
  ),
  omitted: Type.Optional(
    Closed(
      { queries: Type.Integer({ minimum: 0 }), endpoints: Type.Integer({ minimum: 0 }) },
      {
        description:
          'With explain, where there is more than an answer has room for: how many queries, and counts of how many endpoints, are left out. Those with the most bad events on the canary are shown.',
      },
    ),
  ),
};

const verdictMembers = {
  summary: Summary,
  verdict: Outcome,
  ok: Type.Boolean({ description: 'True for a pass and for nothing else.' }),
  reason: ReasonCode,
  hint: Type.String({ description: 'What to look at or to do.' }),
  cuj: Type.String(),
  services: Type.Array(Type.String()),
  owner: Type.String(),
  runbook: Type.Optional(Type.String()),
  mode: Mode,
  wouldBe: Type.Optional(Closed({ verdict: Outcome, reason: ReasonCode })),
  rule: RuleName,
  ruleChangedBy: Type.Optional(
    Type.String({ description: 'The error budget policy that replaced the rule.' }),
  ),
  budgetNote: Type.Optional(Type.String()),
  canary: Type.String({ description: 'The selector as it was asked for.' }),
  stable: Type.String(),
  window: Type.Optional(
    Closed({
      from: Type.String({ format: 'date-time' }),
      to: Type.String({ format: 'date-time', description: "Exclusive: the newest complete minute's end." }),
      seconds: Type.Number({ minimum: 0 }),
      start: literals(['since', 'first_hit', 'after_gap', 'max_window', 'fixed']),
    }),
  ),
  staleData: Type.Optional(
    Closed(
      {
        services: Type.Array(Type.String()),
        newest: Type.String({
          format: 'date-time',
          description: 'The end of the newest minute with a request.',
        }),
        ageSeconds: Type.Number({ minimum: 0, description: 'How old that is, at least.' }),
      },
      {
        description:
          'Set where the data of these services, canary and stable alike, has stopped (source_stale). A fail that older data proves stays one.',
      },
    ),
  ),
  clockSkewSeconds: Type.Optional(
    Type.Integer({
      description:
        "With the reason clock_skew: how far the gate's clock is ahead of Datadog's; below 0: behind.",
    }),
  ),
  noDataCause: Type.Optional(
    literals([
      'no_canary_traffic',
      'canary_idle',
      'unknown_tag',
      'cuj_not_reached',
      'service_silent',
      'canary_stopped',
      'too_early',
    ]),
  ),
  traffic: Type.Optional(Closed({ canary: Count, stable: Count, unmatchedRecently: Type.Optional(Count) })),
  slis: Type.Array(SliVerdictSchema, { description: 'Worst first; empty where nothing could be measured.' }),
  registry: Digest,
};

export const VerdictSchema = Closed(
  { ...verdictMembers, ...explained },
  { $id: 'Verdict', description: 'The verdict on one CUJ.' },
);

export const ServiceVerdictSchema = Closed(
  {
    summary: Summary,
    verdict: Outcome,
    ok: Type.Boolean(),
    reason: ReasonCode,
    hint: Type.String(),
    service: Type.String(),
    canary: Type.String(),
    stable: Type.String(),
    cujs: Type.Array(
      Closed({
        cuj: Type.String(),
        summary: Summary,
        verdict: Outcome,
        reason: ReasonCode,
        mode: Mode,
        owner: Type.String(),
        rule: RuleName,
        ruleChangedBy: Type.Optional(
          Type.String({ description: 'The error budget policy that replaced the rule.' }),
        ),
        budgetNote: Type.Optional(Type.String()),
        slis: Type.Array(
          Closed({
            sli: Type.String(),
            verdict: Outcome,
            reason: ReasonCode,
            value: side.value,
            objective: Ratio,
            bad: Count,
            total: Count,
            evidence: Type.Number(),
            failAtBadEvents: OrNull(Type.Number(), 'The abort threshold.'),
            requestsToVerdict: OrNull(Type.Number(), 'Clean requests until a pass.'),
          }),
        ),
      }),
      { description: 'Worst first; those that only observe come last.' },
    ),
    registry: Digest,
    verdicts: Type.Optional(
      Type.Array(Closed({ ...verdictMembers, ...explained }), {
        description: 'With explain: the verdicts whole, the worst first.',
      }),
    ),
    verdictsOmitted: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'With explain, where there are more verdicts than an answer has room for: how many are left out. Ask for the status of their CUJs.',
      }),
    ),
  },
  { $id: 'ServiceVerdict', description: 'All enforced CUJs of a service, ANDed.' },
);

const problemCodes = [
  'invalid_request',
  'malformed_request',
  'unauthorized',
  'cuj_not_found',
  'service_not_found',
  'not_found',
  'method_not_allowed',
  'request_timeout',
  'uri_too_long',
  'expectation_failed',
  'rate_limited',
  'headers_too_large',
  'internal_error',
  'draining',
  'not_ready',
  'auth_unavailable',
  'http_version_not_supported',
] as const satisfies readonly ProblemCode[];

export const ProblemSchema = Type.Object(
  {
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: literals(problemCodes, 'Stable; programs go by this.'),
    detail: Type.String({ description: 'What was wrong.' }),
    hint: Type.String({ description: 'What to do.' }),
    type: Type.Literal('about:blank'),
  },
  { $id: 'Problem', description: 'RFC 9457. May have further members, such as the nearest names.' },
);

/** Fails to compile where the domain's types and these schemas drift apart. */
type Mutable<T> = { -readonly [K in keyof T]: NonNullable<T[K]> extends object ? Mutable<T[K]> : T[K] };
type Covers<A, B extends A> = B;
export type VerdictIsDescribed = Covers<Static<typeof VerdictSchema>, Mutable<Verdict>>;
export type ServiceVerdictIsDescribed = Covers<Static<typeof ServiceVerdictSchema>, Mutable<ServiceVerdict>>;
export type ReasonsAreAll = Covers<(typeof reasons)[number], Reason>;
export type CodesAreAll = Covers<(typeof problemCodes)[number], ProblemCode>;
