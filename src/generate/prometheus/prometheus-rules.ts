import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { titleOf } from '../datadog/datadog-slos.ts';
import { type GeneratedFile, sortedBy } from '../output/generated-file.ts';
import { cujPage } from '../output/page-links.ts';
import { type YamlNote, yamlText } from '../output/yaml-text.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Group {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/**
 * Alerts about the gate, from its own metrics, in `prometheus/`: SREs should know that a gate cannot judge before a rollout
 * depends on it. One group for the gate, and one for each CUJ with its owner: developers fix a CUJ that is always
 * inconclusive. `docs` is the alert's section in this repository: what to do, step by step. With `publicUrl`, the alerts of a
 * CUJ have the address of its page (`page_url`).
 */
export function prometheusRules(
  registry: Registry,
  { publicUrl }: { readonly publicUrl?: string | undefined } = {},
): GeneratedFile[] {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  const groups: Group[] = [
    { name: 'cuj-gate', rules: gateRules },
    ...cujs.map((cuj) => cujGroup(cuj, publicUrl)),
  ];
  const notes: YamlNote[] = groups.slice(1).map(({ rules }, i) => ({
    at: ['groups', i + 1],
    lines: [`Owner: ${rules[0]?.labels.owner ?? ''}`],
  }));
  return [
    {
      path: 'prometheus/cuj-gate.rules.yaml',
      text: yamlText([
        {
          head: [
            'Generated from the CUJ registry by `cuj-gate generate prometheus-rules`: change the registry, not this file.',
            '',
            'severity: page means that no release is judged now; ticket means that it should be fixed this week.',
            'Route by the labels severity and owner. Alerts may be changed and renamed: nothing refers to their names.',
          ],
          value: { groups },
          notes,
        },
      ]),
    },
  ];
}

const sourceCalls = 'cuj_gate_source_request_duration_seconds_count';
const httpAnswers = 'cuj_gate_http_request_duration_seconds';
const statusRoutes = 'route=~"/(cujs|services)/.*/status"';
/** Reasons whose cause is the gate, Datadog or the token issuer, never a release. */
const blind = 'reason=~"source_.*|clock_skew|gate_overloaded|auth_unavailable"';

const gateRules: readonly Rule[] = [
  rule('CujGateDown', 'absent(cuj_gate_registry_cujs)', '5m', 'page', {
    summary: 'No gate is running.',
    description:
      'Prometheus has no cuj-gate target. Analyses get connection errors; an inline analysis step aborts its rollout after consecutiveErrorLimit.',
    fix: 'Check the pods of cuj-gate and their scrape configuration.',
  }),
  rule('CujGateRegistryRefused', 'cuj_gate_registry_last_reload_successful == 0', '5m', 'ticket', {
    summary: 'A registry reload failed.',
    description: 'The files of the CUJ registry are invalid; the gate keeps the previous version.',
    fix: 'See the problems, with file and line, at GET /registry.',
  }),
  rule('CujGateRegistriesDiffer', 'count(count by (digest) (cuj_gate_registry_info)) > 1', '15m', 'ticket', {
    summary: 'Gates have different registries.',
    description: 'Replicas of cuj-gate have had different registries for a quarter of an hour.',
    fix: 'Compare GET /registry of each replica: one refused a change or does not see it.',
  }),
  rule(
    'CujGateSourceRejects',
    `sum(rate(${sourceCalls}{outcome="source_rejected"}[10m])) > 0`,
    '5m',
    'page',
    {
      summary: 'Datadog rejects queries of the gate.',
      description:
        'Datadog responds with 4XX: the keys are wrong or lack a scope, or a query is invalid. Every verdict is inconclusive.',
      fix: 'Run cuj-gate doctor to find the cause.',
    },
  ),
  rule(
    'CujGateSourceFails',
    `sum(rate(${sourceCalls}{outcome!~"ok|source_rejected|source_rate_limited"}[10m])) / sum(rate(${sourceCalls}[10m])) > 0.25`,
    '10m',
    'page',
    {
      summary: 'Queries to Datadog fail or time out.',
      description:
        '{{ $value | humanizePercentage }} of the queries to Datadog fail. Their verdicts are inconclusive.',
      fix: "Check Datadog's status page, then the network to Datadog.",
    },
  ),
  rule(
    'CujGateRateLimited',
    `sum(rate(${sourceCalls}{outcome="source_rate_limited"}[10m])) > 0`,
    '5m',
    'page',
    {
      summary: "Datadog's rate limit is exhausted.",
      description: 'Datadog responds with 429. Verdicts are inconclusive until the period ends.',
      fix: 'Find other users of this endpoint; increase the interval, or ask Datadog for a higher limit.',
    },
  ),
  rule('CujGateRateLimitLow', 'min(cuj_gate_source_rate_limit_remaining) < 50', '5m', 'ticket', {
    summary: "Datadog's rate limit is nearly exhausted.",
    description: '{{ $value }} calls are left in the current period.',
    fix: 'Find other users of this endpoint; increase the interval, or ask Datadog for a higher limit.',
  }),
  rule('CujGateDataStale', 'max(cuj_gate_source_stale_seconds) > 0', '5m', 'page', {
    summary: "Datadog's data has stopped for canary and stable.",
    description:
      'The newest data is {{ $value | humanizeDuration }} old. Nothing passes meanwhile: verdicts are inconclusive (source_stale).',
    fix: "Check Datadog's status page (APM, delayed metrics), then the agents of the services in cuj_gate_source_stale_seconds.",
  }),
  rule('CujGateClockSkew', 'max(abs(cuj_gate_source_clock_skew_seconds)) > 20', '5m', 'ticket', {
    summary: "A gate's clock is wrong.",
    description:
      "It differs from Datadog's by {{ $value | humanizeDuration }}. Beyond a minute nothing is judged: verdicts are inconclusive (clock_skew).",
    fix: 'Correct the clock of the node (NTP). If DD_URL is a proxy, it must not change the Date header of responses.',
  }),
  rule('CujGateSharedCacheDown', 'min(cuj_gate_shared_cache_up) == 0', '15m', 'ticket', {
    summary: 'The shared cache is unavailable.',
    description:
      'A cuj-gate has not reached the shared cache for 15 minutes. Verdicts are not affected, but every replica queries Datadog itself, which uses the rate limit.',
    fix: 'Check Redis or Valkey, and CUJ_GATE_REDIS_URL.',
  }),
  rule(
    'CujGateCannotJudge',
    `sum(rate(cuj_gate_verdicts_total{verdict="inconclusive",${blind}}[15m])) / sum(rate(cuj_gate_verdicts_total[15m])) > 0.5`,
    '10m',
    'page',
    {
      summary: 'Most verdicts are inconclusive for reasons outside the releases.',
      description:
        '{{ $value | humanizePercentage }} of the verdicts report a problem of the gate, of Datadog or of the token issuer.',
      fix: 'See the reasons with sum by (reason) (rate(cuj_gate_verdicts_total[15m])), and the log for details.',
    },
  ),
  rule(
    'CujGateNotAsked',
    'count(rollout_info{phase="Progressing"}) > 0 unless on () sum(increase(cuj_gate_verdicts_total[30m])) > 0',
    '30m',
    'ticket',
    {
      summary: 'Rollouts progress without using the gate.',
      description:
        '{{ $value }} rollouts have progressed for half an hour without one verdict: they run without analysis.',
      fix: 'Run cuj-gate lint rollout FILE to see what is missing. (This alert needs the metrics of the Argo Rollouts controller.)',
    },
  ),
  rule(
    'CujGateAnswersErrors',
    `sum by (code) (rate(${httpAnswers}_count{${statusRoutes},code!="200"}[10m])) > 0`,
    '10m',
    'ticket',
    {
      summary: 'Status requests get {{ $labels.code }}.',
      description:
        '400 and 404: a template requests an unknown CUJ or passes no version. 401: its token is unknown. 5XX: an error of the gate. Argo counts them as errors, and aborts a rollout after enough of them.',
      fix: 'See the request and its error in the log of the gate, and the template in kubectl describe analysisrun.',
    },
  ),
  rule(
    'CujGateCredentialsRefused',
    'sum by (credential) (increase(cuj_gate_credential_reload_errors_total[1h])) > 0',
    '0m',
    'ticket',
    {
      summary: 'Reloading {{ $labels.credential }} failed.',
      description:
        'The token file or the TLS files of cuj-gate changed and are invalid; the gate keeps the previous version.',
      fix: 'See the file and line in the log of the gate.',
    },
  ),
  rule(
    'CujGateCertificateEnds',
    'min(cuj_gate_tls_certificate_expiry_timestamp_seconds) - time() < 7 * 86400',
    '60m',
    'ticket',
    {
      summary: 'The TLS certificate of the gate expires soon.',
      description:
        'It expires in {{ $value | humanizeDuration }}. From then on every request is an error, and errors abort rollouts.',
      fix: 'Renew the Secret: the gate reloads the certificate without a restart.',
    },
  ),
  rule(
    'CujGateSlow',
    `histogram_quantile(0.99, sum by (le) (rate(${httpAnswers}_bucket{${statusRoutes}}[10m]))) > 7.5`,
    '10m',
    'ticket',
    {
      summary: 'Responses take nearly as long as Argo waits.',
      description:
        'One response in a hundred takes over {{ $value | humanizeDuration }}. The gate stops waiting after 8 s, Argo after 10 s.',
      fix: 'Check cuj_gate_source_request_duration_seconds to see whether Datadog is slow.',
    },
  ),
];

/** A CUJ without data of its canary in nearly all measurements of an hour cannot stop a release. */
function cujGroup(cuj: Cuj, publicUrl: string | undefined): Group {
  const cujLabel = `cuj="${cuj.name}"`;
  const unseen = `cuj_gate_verdicts_total{${cujLabel},reason=~"no_data|canary_indistinguishable|status_missing"}`;
  const all = `cuj_gate_verdicts_total{${cujLabel}}`;
  return {
    name: `cuj-gate-cuj-${cuj.name}`,
    rules: [
      rule(
        'CujGateCanaryNeverSeen',
        `sum(increase(${unseen}[1h])) / sum(increase(${all}[1h])) > 0.9 and sum(increase(${all}[1h])) > 20`,
        '15m',
        'ticket',
        {
          summary: `CUJ ${cuj.name} has no data of the canary.`,
          description: `${text(titleOf(cuj))}: nearly every verdict of the last hour says that the canary has no traffic, is indistinguishable from stable, or has no status codes. This CUJ cannot stop a bad release.`,
          fix: 'Most likely the version that the Rollout passes is not the one that Datadog stores (DD_VERSION). Run cuj-gate doctor.',
          ...(cuj.runbook === undefined ? {} : { runbook_url: text(cuj.runbook) }),
          ...(publicUrl === undefined ? {} : { page_url: cujPage(publicUrl, cuj.name) }),
        },
        { cuj: cuj.name, owner: text(cuj.owner), tier: String(cuj.tier) },
      ),
    ],
  };
}

function rule(
  alert: string,
  expr: string,
  wait: string,
  severity: 'page' | 'ticket',
  annotations: Record<string, string>,
  labels: Record<string, string> = {},
): Rule {
  return {
    alert,
    expr,
    for: wait,
    labels: { severity, ...labels },
    annotations: { ...annotations, docs: `docs/operations.md#${alert.toLowerCase()}` },
  };
}

/** Escapes `{{`, which Prometheus expands in labels and annotations. */
function text(of: string): string {
  return oneLine(of).replaceAll('{{', '{ {');
}
