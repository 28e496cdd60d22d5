import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj } from '../../domain/registry/model.ts';
import { titleOf } from '../datadog/datadog-slos.ts';

/**
 * Every alert about the gate, with its condition in Prometheus and in Datadog. There is one table for both, so that no alert
 * is missing on one side.
 */
export interface GateAlert {
  /** Its section in docs/operations.md has this name, and begins with what to do. */
  readonly alert: string;
  /** `page`: no release is judged now; `ticket`: fix it this week. */
  readonly severity: 'page' | 'ticket';
  /** `{{ $value }}` and `{{ $labels.x }}` are Prometheus's. */
  readonly summary: string;
  readonly description: string;
  readonly fix: string;
  readonly prometheus: { readonly expr: string; readonly for: string };
  readonly datadog: DatadogCondition;
  /** It is about calls that a rate limit leaves, which not every backend tells. */
  readonly ofCallsLeft?: true;
}

/** Queries of monitors name metrics as the agent's OpenMetrics check does: `cuj_gate.verdicts.count` is `cuj_gate_verdicts_total`. */
export type DatadogCondition = DatadogWords &
  (
    | { readonly query: string; readonly notifyNoData?: true }
    /** Monitors that must all alert, by the ends of their resource names. */
    | { readonly allOf: Readonly<Record<string, string>> }
  );

/** Where the words for Prometheus do not fit. */
interface DatadogWords {
  readonly description?: string;
  readonly fix?: string;
}

const sourceCalls = 'cuj_gate_source_request_duration_seconds_count';
const httpAnswers = 'cuj_gate_http_request_duration_seconds';
const statusRoutes = 'route=~"/(cujs|services)/.*/status"';
/** Reasons whose cause is the gate, the metrics backend or the token issuer, never a release. */
const blind = 'reason=~"source_.*|clock_skew|gate_overloaded|auth_unavailable"';
const calls = 'cuj_gate.source_request_duration_seconds.count';
const answers = 'cuj_gate.http_request_duration_seconds';

export const gateAlerts: readonly GateAlert[] = [
  {
    alert: 'CujGateDown',
    severity: 'page',
    summary: 'No gate is running.',
    description:
      'Prometheus has no cuj-gate target. Analyses get connection errors; an inline analysis step aborts its rollout after consecutiveErrorLimit.',
    fix: 'Check the pods of cuj-gate and their scrape configuration.',
    prometheus: { expr: 'absent(cuj_gate_registry_cujs)', for: '5m' },
    datadog: {
      // Never below 0: the alert is that there is no data.
      query: 'max(last_5m):max:cuj_gate.registry_cujs{*} < 0',
      notifyNoData: true,
      description:
        'Datadog has no metrics of cuj-gate. Analyses get connection errors; an inline analysis step aborts its rollout after consecutiveErrorLimit.',
      fix: 'Check the pods of cuj-gate, and the Datadog agents of their nodes.',
    },
  },
  {
    alert: 'CujGateRegistryRefused',
    severity: 'ticket',
    summary: 'A registry reload failed.',
    description: 'The files of the CUJ registry are invalid; the gate keeps the previous version.',
    fix: 'See the problems, with file and line, at GET /registry.',
    prometheus: { expr: 'cuj_gate_registry_last_reload_successful == 0', for: '5m' },
    datadog: { query: 'max(last_5m):min:cuj_gate.registry_last_reload_successful{*} < 1' },
  },
  {
    alert: 'CujGateRegistriesDiffer',
    severity: 'ticket',
    summary: 'Gates have different registries.',
    description: 'Replicas of cuj-gate have had different registries for a quarter of an hour.',
    fix: 'Compare GET /registry of each replica: one refused a change or does not see it.',
    prometheus: { expr: 'count(count by (digest) (cuj_gate_registry_info)) > 1', for: '15m' },
    datadog: { query: 'min(last_15m):count_not_null(max:cuj_gate.registry_info{*} by {digest}) > 1' },
  },
  {
    alert: 'CujGateSourceRejects',
    severity: 'page',
    summary: '{{ $labels.backend }} rejects queries of the gate.',
    description:
      'It responds with 4XX: the credentials are wrong or lack a permission, or a query is invalid. Every verdict that needs it is inconclusive.',
    fix: 'Run cuj-gate doctor to find the cause.',
    prometheus: {
      expr: `sum by (backend) (rate(${sourceCalls}{outcome="source_rejected"}[10m])) > 0`,
      for: '5m',
    },
    datadog: { query: `sum(last_10m):sum:${calls}{outcome:source_rejected} by {backend}.as_count() > 0` },
  },
  {
    alert: 'CujGateSourceFails',
    severity: 'page',
    summary: 'Queries to {{ $labels.backend }} fail or time out.',
    description:
      '{{ $value | humanizePercentage }} of the queries to it fail. Their verdicts are inconclusive.',
    fix: "Check the backend (Datadog's status page; the pods of Prometheus), then the network to it.",
    prometheus: {
      // By backend: one that is asked seldom may be down as a whole.
      expr: `sum by (backend) (rate(${sourceCalls}{outcome!~"ok|source_rejected|source_rate_limited"}[10m])) / sum by (backend) (rate(${sourceCalls}[10m])) > 0.25`,
      for: '10m',
    },
    datadog: {
      query: `sum(last_15m):sum:${calls}{outcome NOT IN (ok,source_rejected,source_rate_limited)} by {backend}.as_count() / sum:${calls}{*} by {backend}.as_count() > 0.25`,
    },
  },
  {
    alert: 'CujGateRateLimited',
    severity: 'page',
    summary: 'The rate limit of {{ $labels.backend }} is exhausted.',
    description: 'It responds with 429. Verdicts are inconclusive until the period ends.',
    fix: 'Find other users of this endpoint; increase the interval, or ask for a higher limit.',
    prometheus: {
      expr: `sum by (backend) (rate(${sourceCalls}{outcome="source_rate_limited"}[10m])) > 0`,
      for: '5m',
    },
    datadog: { query: `sum(last_10m):sum:${calls}{outcome:source_rate_limited} by {backend}.as_count() > 0` },
  },
  {
    alert: 'CujGateRateLimitLow',
    severity: 'ticket',
    summary: "Datadog's rate limit is nearly exhausted.",
    description: '{{ $value }} calls are left in the current period.',
    fix: 'Find other users of this endpoint; increase the interval, or ask Datadog for a higher limit.',
    prometheus: { expr: 'min(cuj_gate_source_rate_limit_remaining) < 50', for: '5m' },
    datadog: { query: 'max(last_5m):min:cuj_gate.source_rate_limit_remaining{*} < 50' },
    ofCallsLeft: true,
  },
  {
    alert: 'CujGateDataStale',
    severity: 'page',
    summary: 'The data of canary and stable has stopped.',
    description:
      'The newest data is {{ $value | humanizeDuration }} old. Nothing passes meanwhile: verdicts are inconclusive (source_stale).',
    fix: "Check the backend (Datadog's status page for delayed metrics; the targets of Prometheus), then the agents or pods of the services in cuj_gate_source_stale_seconds.",
    prometheus: { expr: 'max(cuj_gate_source_stale_seconds) > 0', for: '5m' },
    datadog: { query: 'min(last_5m):max:cuj_gate.source_stale_seconds{*} > 0' },
  },
  {
    alert: 'CujGateClockSkew',
    severity: 'ticket',
    summary: "A gate's clock is wrong.",
    description:
      "It differs from the metrics backend's by {{ $value | humanizeDuration }}. Beyond a minute nothing is judged: verdicts are inconclusive (clock_skew).",
    fix: 'Correct the clock of the node (NTP). A proxy to the backend must not change the Date header of responses.',
    prometheus: { expr: 'max(abs(cuj_gate_source_clock_skew_seconds)) > 20', for: '5m' },
    datadog: {
      // The clock is that of the node.
      query: 'min(last_5m):abs(avg:cuj_gate.source_clock_skew_seconds{*} by {host}) > 20',
    },
  },
  {
    alert: 'CujGateSharedCacheDown',
    severity: 'ticket',
    summary: 'The shared cache is unavailable.',
    description:
      'A cuj-gate has not reached the shared cache for 15 minutes. Verdicts are not affected, but every replica queries the metrics backend itself, which uses its rate limit.',
    fix: 'Check Redis or Valkey, and CUJ_GATE_REDIS_URL.',
    prometheus: { expr: 'min(cuj_gate_shared_cache_up) == 0', for: '15m' },
    datadog: { query: 'max(last_15m):min:cuj_gate.shared_cache_up{*} < 1' },
  },
  {
    alert: 'CujGateCannotJudge',
    severity: 'page',
    summary: 'Most verdicts are inconclusive for reasons outside the releases.',
    description:
      '{{ $value | humanizePercentage }} of the verdicts report a problem of the gate, of the metrics backend or of the token issuer.',
    fix: 'See the reasons with sum by (reason) (rate(cuj_gate_verdicts_total[15m])), and the log for details.',
    prometheus: {
      expr: `sum(rate(cuj_gate_verdicts_total{verdict="inconclusive",${blind}}[15m])) / sum(rate(cuj_gate_verdicts_total[15m])) > 0.5`,
      for: '10m',
    },
    datadog: {
      query: `sum(last_15m):sum:cuj_gate.verdicts.count{verdict:inconclusive AND (reason:source_* OR reason IN (clock_skew,gate_overloaded,auth_unavailable))}.as_count() / sum:cuj_gate.verdicts.count{*}.as_count() > 0.5`,
      fix: 'See the reasons with sum:cuj_gate.verdicts.count{*} by {reason}.as_count(), and the log for details.',
    },
  },
  {
    alert: 'CujGateNotAsked',
    severity: 'ticket',
    summary: 'Rollouts progress without using the gate.',
    description:
      '{{ $value }} rollouts have progressed for half an hour without one verdict: they run without analysis.',
    fix: 'Run cuj-gate lint rollout FILE to see what is missing. (This alert needs the metrics of the Argo Rollouts controller.)',
    prometheus: {
      expr: 'count(rollout_info{phase="Progressing"}) > 0 unless on () sum(increase(cuj_gate_verdicts_total[30m])) > 0',
      for: '30m',
    },
    datadog: {
      allOf: {
        rollouts: 'min(last_30m):sum:argo_rollouts.rollout.info{phase:progressing} > 0',
        // No points at all count as 0.
        silence: 'sum(last_30m):sum:cuj_gate.verdicts.count{*}.as_count() < 1',
      },
      description:
        'Rollouts have progressed for half an hour without one verdict: they run without analysis.',
      fix: "Run cuj-gate lint rollout FILE to see what is missing. (This alert needs the agent's integration argo_rollouts.)",
    },
  },
  {
    alert: 'CujGateAnswersErrors',
    severity: 'ticket',
    summary: 'Status requests get {{ $labels.code }}.',
    description:
      '400 and 404: a template requests an unknown CUJ or passes no version. 401: its token is unknown. 5XX: an error of the gate. Argo counts them as errors, and aborts a rollout after enough of them.',
    fix: 'See the request and its error in the log of the gate, and the template in kubectl describe analysisrun.',
    prometheus: {
      expr: `sum by (code) (rate(${httpAnswers}_count{${statusRoutes},code!="200"}[10m])) > 0`,
      for: '10m',
    },
    datadog: {
      query: `sum(last_10m):sum:${answers}.count{route:*/status AND NOT code:200} by {code}.as_count() > 0`,
    },
  },
  {
    alert: 'CujGateCredentialsRefused',
    severity: 'ticket',
    summary: 'Reloading {{ $labels.credential }} failed.',
    description:
      'The token file or the TLS files of cuj-gate changed and are invalid; the gate keeps the previous version.',
    fix: 'See the file and line in the log of the gate.',
    prometheus: {
      expr: 'sum by (credential) (increase(cuj_gate_credential_reload_errors_total[1h])) > 0',
      for: '0m',
    },
    datadog: {
      query: 'sum(last_1h):sum:cuj_gate.credential_reload_errors.count{*} by {credential}.as_count() > 0',
    },
  },
  {
    alert: 'CujGateCertificateEnds',
    severity: 'ticket',
    summary: 'The TLS certificate of the gate expires soon.',
    description:
      'It expires in {{ $value | humanizeDuration }}. From then on every request is an error, and errors abort rollouts.',
    fix: 'Renew the Secret: the gate reloads the certificate without a restart.',
    prometheus: {
      expr: 'min(cuj_gate_tls_certificate_expiry_timestamp_seconds) - time() < 7 * 86400',
      for: '60m',
    },
    datadog: {
      // Datadog has no clock in its queries: the agent subtracts it.
      query: 'max(last_1h):(0 - max:cuj_gate.tls_certificate_expired_seconds{*}) / 86400 < 7',
      description:
        'It expires in {{value}} days. From then on every request is an error, and errors abort rollouts.',
    },
  },
  {
    alert: 'CujGateSlow',
    severity: 'ticket',
    summary: 'Responses take nearly as long as Argo waits.',
    description:
      'One response in a hundred takes over {{ $value | humanizeDuration }}. The gate stops waiting after 8 s, Argo after 10 s.',
    fix: 'Check cuj_gate_source_request_duration_seconds to see whether the metrics backend is slow.',
    prometheus: {
      expr: `histogram_quantile(0.99, sum by (le) (rate(${httpAnswers}_bucket{${statusRoutes}}[10m]))) > 7.5`,
      for: '10m',
    },
    datadog: {
      query: `sum(last_15m):(sum:${answers}.count{route:*/status}.as_count() - sum:${answers}.bucket{route:*/status AND upper_bound:7.5}.as_count()) / sum:${answers}.count{route:*/status}.as_count() > 0.01`,
      description:
        'More than one response in a hundred takes over 7.5 s. The gate stops waiting after 8 s, Argo after 10 s.',
      fix: 'Check cuj_gate.source_request_duration_seconds to see whether the metrics backend is slow.',
    },
  },
];

/** A CUJ without data of its canary in nearly all measurements of an hour cannot stop a release. */
export function canaryNeverSeen(cuj: Cuj): GateAlert {
  const { environment } = cuj;
  const cujLabel = `${environment === undefined ? '' : `environment="${environment}",`}cuj="${cuj.name}"`;
  const cujTag = `${environment === undefined ? '' : `environment:${environment} AND `}cuj:${cuj.name}`;
  const inEnvironment = environment === undefined ? '' : ` in ${environment}`;
  const unseen = `cuj_gate_verdicts_total{${cujLabel},reason=~"no_data|canary_indistinguishable|status_missing"}`;
  const all = `cuj_gate_verdicts_total{${cujLabel}}`;
  const verdicts = 'cuj_gate.verdicts.count';
  return {
    alert: 'CujGateCanaryNeverSeen',
    severity: 'ticket',
    summary: `CUJ ${cuj.name} has no data of the canary${inEnvironment}.`,
    description: `${oneLine(titleOf(cuj))}: nearly every verdict of the last hour says that the canary has no traffic, is indistinguishable from stable, or has no status codes. This CUJ cannot stop a bad release.`,
    fix: 'Most likely the version that the Rollout passes is not the one that the metrics have (DD_VERSION, or the label of the pods). Run cuj-gate doctor.',
    prometheus: {
      expr: `sum(increase(${unseen}[1h])) / sum(increase(${all}[1h])) > 0.9 and sum(increase(${all}[1h])) > 20`,
      for: '15m',
    },
    datadog: {
      // More than 90%, and if there is no other verdict, more than 20 of them.
      query: `sum(last_1h):sum:${verdicts}{${cujTag} AND reason IN (no_data,canary_indistinguishable,status_missing)}.as_count() - 0.9 * sum:${verdicts}{${cujTag}}.as_count() > 2`,
    },
  };
}
