import Type, { type Static } from 'typebox';
import { sourceErrorCodes } from '../../domain/errors.ts';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { ServiceVerdict } from '../../domain/judge/judge-service.ts';
import type { Reason } from '../../domain/judge/outcome.ts';
import { ruleNames } from '../../domain/registry/rules.ts';
import { sliNames } from '../../domain/sli/table.ts';
import type { ProblemCode } from '../server/problem.ts';
import { Closed, literals } from './schema-parts.ts';

/** Responses of the two status routes. The types of the domain are checked against these at the foot of the file. */

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
  'retired',
  ...sourceErrorCodes,
] as const satisfies readonly Reason[];

const Ratio = Type.Number({ minimum: 0, maximum: 1 });
const Count = Type.Number({ minimum: 0 });
const OrNull = <T extends ReturnType<typeof Type.Number>>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });
const Outcome = literals(['pass', 'fail', 'inconclusive']);
const ReasonCode = literals(reasons, 'The reason, from a closed set.');
const RuleName = literals(ruleNames);
const Mode = literals(['enforce', 'observe']);
const SliName = literals(sliNames);
const Summary = Type.String({
  maxLength: 300,
  pattern: '^(PASS|FAIL|INCONCLUSIVE) [^<>&]*$',
  description: 'The verdict, the numbers and the reason in one line; what an AnalysisTemplate evaluates.',
});
const Digest = Type.String({
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'Digest of the registry that the verdict is based on.',
});

const side = {
  good: Count,
  bad: Count,
  total: Count,
  value: OrNull(Ratio, 'The SLI, good over total; null without events.'),
};

const failure = Type.Optional(
  Type.String({
    description:
      'What counts as a failure: 5xx, 401; or grpc, or errors. Absent where it is 5XX, or what a source says, on all endpoints; beside other definitions, bad of the source NAME.',
  }),
);

const EndpointVerdictSchema = Closed({
  endpoint: Type.String(),
  service: Type.String(),
  resource: Type.String({
    description: 'The key of the endpoint as the metrics backend stores it: resource_name in Datadog.',
  }),
  latencyMs: Type.Optional(Type.Number({ description: 'Slower requests are bad events.' })),
  failure,
  ...side,
  evidence: Count,
  allowedRate: Type.Number({
    description: 'The reference rate: bad events above this rate count as evidence.',
  }),
  failAtBadEvents: OrNull(
    Type.Number(),
    'Number of bad events on this endpoint alone that would fail the CUJ.',
  ),
  stable: Closed(side),
});

const SliVerdictSchema = Closed({
  sli: SliName,
  verdict: Outcome,
  reason: ReasonCode,
  failure,
  objective: Ratio,
  ...side,
  burnRate: OrNull(Count, '(1 - SLI) / (1 - objective).'),
  evidence: Type.Number({
    description: 'Evidence against the SLO. At evidenceThreshold or above, the SLO counts as violated.',
  }),
  evidenceThreshold: Type.Number(),
  rulesOutRate: Type.Number({
    description:
      'Upper bound (one-sided, 95%) of the rate of bad events. For a rule that compares (baseline): in minutes with concurrent stable traffic.',
  }),
  failAtBadEvents: OrNull(
    Type.Number(),
    'The abort threshold: the fewest bad events at this traffic that fail.',
  ),
  requestsToVerdict: OrNull(
    Type.Number(),
    'Further clean requests until a proven pass. Null if more traffic alone cannot lead to one.',
  ),
  warmUpMinutes: Type.Optional(
    Type.Integer({
      minimum: 1,
      description:
        "Minutes of the canary's warm-up (warmUp). All numbers of this SLI leave out what the canary did in them.",
    }),
  ),
  leftOutMinutes: Type.Optional(
    Type.Integer({
      minimum: 1,
      description:
        'Minutes of an incident that stable had as well. All numbers of this SLI leave out what the canary did in them.',
    }),
  ),
  serviceIncident: Type.Optional(
    Closed(
      {
        minutes: Type.Integer({ minimum: 1, description: 'Minutes of the window that belong to it.' }),
        bad: Type.Number({ minimum: 0, description: 'Bad events of stable in them.' }),
        total: Type.Number({ minimum: 0, description: 'Requests of stable in them.' }),
      },
      {
        description:
          'The incident of the services that the cause is shared by, where it does not show on the endpoints of the CUJ itself: stable over all endpoints of the registry for these services.',
      },
    ),
  ),
  limitedPass: Type.Optional(
    Closed(
      {
        requests: Type.Integer({ minimum: 0, description: 'Further clean requests that are needed.' }),
        seconds: Type.Number({ minimum: 0, description: 'Seconds until passAfter is over.' }),
      },
      { description: 'What is missing for a pass with limited evidence.' },
    ),
  ),
  sustainedEvidence: Type.Optional(
    Type.Number({
      description:
        'The least evidence that remains with any one interval shorter than minFaultDuration left out, where the evidence is at least evidenceThreshold. A fail needs this to be above 2: otherwise it may be a blip.',
    }),
  ),
  dispersion: Type.Optional(
    Type.Number({
      description:
        'How bursty errors are: their variance a minute over their mean, from the registry or estimated from stable. Each failure weighs less by this factor. Absent where it is 1.',
    }),
  ),
  stable: Closed({ ...side, evidence: Type.Number() }),
  shareEvidence: Type.Number({
    description:
      'Evidence that bad events fall on the canary more than its share of the traffic explains. For a rule that compares (baseline): in minutes with concurrent stable traffic.',
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
        failure,
      },
      {
        description:
          'Requests without a status (http.status_code, or that of gRPC) on this endpoint, for this side and the other. Failures among them are invisible, so the SLI cannot pass (side stable: a comparing rule cannot fail).',
      },
    ),
  ),
  unmetThreshold: Type.Optional(
    Closed(
      { latencyMs: Type.Number(), requests: Type.Number() },
      {
        description:
          'None of these requests of canary and stable met this threshold. If the verdict is fail, these endpoints are excluded.',
      },
    ),
  ),
  unreached: Type.Optional(
    Type.Array(
      Closed({ endpoint: Type.String(), service: Type.String(), predicted: Type.Integer({ minimum: 0 }) }),
      {
        description:
          "Endpoints without canary requests, although the canary's share of the traffic predicts them. Listed with every outcome.",
      },
    ),
  ),
  endpoints: Type.Array(EndpointVerdictSchema, { description: 'Worst first.' }),
});

const explained = {
  queries: Type.Optional(
    Type.Array(Closed({ name: Type.String(), query: Type.String() }), {
      description: 'With explain: what was sent to the metrics backends.',
    }),
  ),
  measurement: Type.Optional(
    Type.Object({}, { description: 'With explain: the counts by minute that the verdict is computed from.' }),
  ),
  omitted: Type.Optional(
    Closed(
      { queries: Type.Integer({ minimum: 0 }), endpoints: Type.Integer({ minimum: 0 }) },
      {
        description:
          'With explain, if the response would exceed the size limit: numbers of omitted queries and of endpoints whose counts are omitted. The endpoints with the most bad canary events are kept.',
      },
    ),
  ),
};

const environment = Type.Optional(
  Type.String({ description: 'The environment of the registry that was judged, where it has any.' }),
);

const verdictMembers = {
  summary: Summary,
  verdict: Outcome,
  ok: Type.Boolean({ description: 'True only for a pass.' }),
  reason: ReasonCode,
  hint: Type.String({ description: 'What to check or do next.' }),
  cuj: Type.String(),
  environment,
  services: Type.Array(Type.String(), { description: 'Empty if the CUJ is retired.' }),
  owner: Type.String(),
  runbook: Type.Optional(Type.String()),
  mode: Mode,
  wouldBe: Type.Optional(Closed({ verdict: Outcome, reason: ReasonCode })),
  rule: RuleName,
  ruleChangedBy: Type.Optional(
    Type.String({ description: 'The error budget policy that replaced the rule.' }),
  ),
  budgetNote: Type.Optional(Type.String()),
  canary: Type.String({
    description:
      'The selector, with its parameters filled in. If the CUJ is retired: the parameters as sent.',
  }),
  stable: Type.String(),
  window: Type.Optional(
    Closed({
      from: Type.String({ format: 'date-time' }),
      to: Type.String({
        format: 'date-time',
        description: 'Exclusive: the end of the newest complete data.',
      }),
      seconds: Type.Number({ minimum: 0 }),
      start: literals(['since', 'first_hit', 'after_gap', 'max_window', 'fixed']),
      incompleteSeconds: Type.Optional(
        Type.Number({
          description:
            'Seconds after `to` that are left out, because counts of canary or stable have not arrived.',
        }),
      ),
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
        ageSeconds: Type.Number({ minimum: 0, description: 'Minimum age of that data.' }),
      },
      {
        description:
          'Set if the data of these services has stopped for both canary and stable (source_stale). A fail based on older data is kept.',
      },
    ),
  ),
  clockSkewSeconds: Type.Optional(
    Type.Integer({
      description:
        "With the reason clock_skew: how far the gate's clock is ahead of the metrics backend's; below 0: behind.",
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
      'warming_up',
    ]),
  ),
  traffic: Type.Optional(Closed({ canary: Count, stable: Count, unmatchedRecently: Type.Optional(Count) })),
  slis: Type.Array(SliVerdictSchema, { description: 'Worst first; empty if nothing could be measured.' }),
  registry: Digest,
};

const link = Type.Optional(
  Type.String({
    format: 'uri',
    description: 'The page of this verdict for browsers. Set where CUJ_GATE_PUBLIC_URL is.',
  }),
);

const askedAs = Type.Optional(
  Type.String({ description: 'The alias that was asked by; `cuj` is the name of now.' }),
);
const aliasNote = Type.Optional(
  Type.String({ description: 'What to do about a question by an alias. Set with askedAs.' }),
);

export const VerdictSchema = Closed(
  { ...verdictMembers, link, askedAs, aliasNote, ...explained },
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
    environment,
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
      { description: 'Worst first; report-only CUJs last.' },
    ),
    registry: Digest,
    link,
    verdicts: Type.Optional(
      Type.Array(Closed({ ...verdictMembers, ...explained }), {
        description: 'With explain: the complete verdicts, worst first.',
      }),
    ),
    verdictsOmitted: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'With explain, if the response would exceed the size limit: number of omitted verdicts. Query the status of their CUJs.',
      }),
    ),
  },
  { $id: 'ServiceVerdict', description: 'All enforced CUJs of a service, ANDed.' },
);

const recomputedMembers = {
  summary: Type.String({
    maxLength: 300,
    pattern: '^RECOMPUTED as of [^<>&]*$',
    description: 'The moment, and the summary of the verdict.',
  }),
  at: Type.String({ format: 'date-time', description: 'The moment that was asked about.' }),
  hint: Type.String(),
};

export const RecomputedSchema = Closed(
  { ...recomputedMembers, recomputed: Type.Ref('Verdict') },
  {
    $id: 'Recomputed',
    description:
      'The answer to a question with `at`: what is known now about a moment in the past. It has no verdict of its own, so that no condition of an AnalysisTemplate matches it.',
  },
);

export const RecomputedServiceSchema = Closed(
  { ...recomputedMembers, recomputed: Type.Ref('ServiceVerdict') },
  { $id: 'RecomputedService', description: 'The same about all enforced CUJs of a service.' },
);

const problemCodes = [
  'invalid_request',
  'malformed_request',
  'unauthorized',
  'forbidden',
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
  'overloaded',
  'http_version_not_supported',
] as const satisfies readonly ProblemCode[];

export const ProblemSchema = Type.Object(
  {
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: literals(problemCodes, 'Machine-readable code. It does not change.'),
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
