import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { titleOf } from '../datadog/datadog-slos.ts';
import { type GeneratedFile, sortedBy } from '../output/generated-file.ts';
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
 * Alerts about the gate itself, from its own metrics, in `prometheus/`: an SRE must hear of a gate that cannot judge before
 * a rollout does. One group for the gate; one for each CUJ, with its owner, because a CUJ that is never known is its
 * developers' to mend.
 */
export function prometheusRules(registry: Registry): GeneratedFile[] {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  const groups: Group[] = [{ name: 'cuj-gate', rules: gateRules }, ...cujs.map(cujGroup)];
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
            'Made from the CUJ registry by `cuj-gate generate prometheus-rules`: change the registry, not this file.',
            '',
            'severity: page means that no release is judged right now; ticket means that somebody should look this week.',
            'Route by the labels severity and owner. May be changed where it is loaded: nothing refers to the names.',
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
/** Reasons that lie with the gate, with Datadog or with the issuer of tokens, never with a release. */
const blind = 'reason=~"source_.*|clock_skew|gate_overloaded|auth_unavailable"';

const gateRules: readonly Rule[] = [
  rule('CujGateDown', 'absent(cuj_gate_registry_cujs)', '5m', 'page', {
    summary: 'No gate answers.',
    description:
      'Prometheus sees no cuj-gate. Analyses run into connection errors; a gate step gives up after consecutiveErrorLimit and aborts its rollout.',
    fix: 'Look at the pods of cuj-gate and at what scrapes them.',
  }),
  rule('CujGateRegistryRefused', 'cuj_gate_registry_last_reload_successful == 0', '5m', 'ticket', {
    summary: 'A change of the registry was refused.',
    description: 'The files of the CUJ registry are wrong; the gate goes on with what it read before.',
    fix: 'GET /registry lists the problems, with file and line.',
  }),
  rule('CujGateRegistriesDiffer', 'count(count by (digest) (cuj_gate_registry_info)) > 1', '15m', 'ticket', {
    summary: 'Gates judge by different registries.',
    description: 'Replicas of cuj-gate have had different registries for a quarter of an hour.',
    fix: 'Compare GET /registry of each: one of them refused a change or does not see it.',
  }),
  rule(
    'CujGateSourceRejects',
    `sum(rate(${sourceCalls}{outcome="source_rejected"}[10m])) > 0`,
    '5m',
    'page',
    {
      summary: 'Datadog refuses the gate.',
      description:
        'Datadog answers 4XX: the keys are wrong or lack a scope, or it does not take a query. Every verdict is inconclusive.',
      fix: 'cuj-gate doctor says which it is.',
    },
  ),
  rule(
    'CujGateSourceFails',
    `sum(rate(${sourceCalls}{outcome!~"ok|source_rejected|source_rate_limited"}[10m])) / sum(rate(${sourceCalls}[10m])) > 0.25`,
    '10m',
    'page',
    {
      summary: 'Datadog does not answer, or not in time.',
      description:
        '{{ $value | humanizePercentage }} of the questions to Datadog fail. What cannot be asked is inconclusive.',
      fix: "Look at Datadog's status page, then at the network between.",
    },
  ),
  rule(
    'CujGateRateLimited',
    `sum(rate(${sourceCalls}{outcome="source_rate_limited"}[10m])) > 0`,
    '5m',
    'page',
    {
      summary: "Datadog's rate limit is used up.",
      description: 'Datadog answers 429. Verdicts stay inconclusive until its period ends.',
      fix: 'See who else spends the limit of this endpoint; ask less often (interval), or have Datadog raise it.',
    },
  ),
  rule('CujGateRateLimitLow', 'min(cuj_gate_source_rate_limit_remaining) < 50', '5m', 'ticket', {
    summary: "Datadog's rate limit is nearly used up.",
    description: '{{ $value }} calls are left in the current period.',
    fix: 'See who else spends the limit of this endpoint; ask less often (interval), or have Datadog raise it.',
  }),
  rule('CujGateDataStale', 'max(cuj_gate_source_stale_seconds) > 0', '5m', 'page', {
    summary: "Datadog's data has stopped for canary and stable alike.",
    description:
      'The newest data is {{ $value | humanizeDuration }} old. Nothing passes while it stays so: verdicts are inconclusive (source_stale).',
    fix: "Look at Datadog's status page (APM, delayed metrics), then at the agents of the services; cuj_gate_source_stale_seconds says which.",
  }),
  rule('CujGateClockSkew', 'max(abs(cuj_gate_source_clock_skew_seconds)) > 20', '5m', 'ticket', {
    summary: "A gate's clock is wrong.",
    description:
      "It is {{ $value | humanizeDuration }} off Datadog's. Beyond a minute nothing is judged: verdicts are inconclusive (clock_skew).",
    fix: 'Set the clock of the node right (NTP). Where DD_URL names a proxy, see that it leaves the Date of answers as it is.',
  }),
  rule('CujGateSharedCacheDown', 'min(cuj_gate_shared_cache_up) == 0', '15m', 'ticket', {
    summary: 'Replicas ask Datadog each for itself.',
    description:
      'A cuj-gate has not reached the shared cache for a quarter of an hour. Verdicts are as good as before, but every replica spends the rate limit.',
    fix: 'Look at Redis or Valkey and at CUJ_GATE_REDIS_URL.',
  }),
  rule(
    'CujGateCannotJudge',
    `sum(rate(cuj_gate_verdicts_total{verdict="inconclusive",${blind}}[15m])) / sum(rate(cuj_gate_verdicts_total[15m])) > 0.5`,
    '10m',
    'page',
    {
      summary: 'Most verdicts are inconclusive for no fault of a release.',
      description:
        '{{ $value | humanizePercentage }} of the answers say that the gate, Datadog or the issuer of tokens is in trouble.',
      fix: 'sum by (reason) (rate(cuj_gate_verdicts_total[15m])) says why; the log has the details.',
    },
  ),
  rule(
    'CujGateNotAsked',
    'count(rollout_info{phase="Progressing"}) > 0 unless on () sum(increase(cuj_gate_verdicts_total[30m])) > 0',
    '30m',
    'ticket',
    {
      summary: 'Rollouts progress and nobody asks the gate.',
      description:
        '{{ $value }} rollouts have progressed for half an hour without one verdict: they run without analysis.',
      fix: 'cuj-gate lint rollout FILE says what is missing. (It needs the metrics of the Argo Rollouts controller.)',
    },
  ),
  rule(
    'CujGateAnswersErrors',
    `sum by (code) (rate(${httpAnswers}_count{${statusRoutes},code!="200"}[10m])) > 0`,
    '10m',
    'ticket',
    {
      summary: 'Questions are answered {{ $labels.code }}.',
      description:
        '400 and 404: a template asks for a CUJ that is not there or gives no version. 401: its token is none that the gate knows. 5XX: the gate is in trouble. Argo counts them as errors, and enough of them abort a rollout.',
      fix: 'The log of the gate has the question and what is wrong with it; kubectl describe analysisrun has the template.',
    },
  ),
  rule(
    'CujGateCredentialsRefused',
    'sum by (credential) (increase(cuj_gate_credential_reload_errors_total[1h])) > 0',
    '0m',
    'ticket',
    {
      summary: 'New {{ $labels.credential }} were refused.',
      description:
        'The token file or the TLS files of cuj-gate changed and are wrong; the gate goes on with what it had.',
      fix: 'The log of the gate says which file and line.',
    },
  ),
  rule(
    'CujGateCertificateEnds',
    'min(cuj_gate_tls_certificate_expiry_timestamp_seconds) - time() < 7 * 86400',
    '60m',
    'ticket',
    {
      summary: 'The certificate of the gate ends.',
      description:
        'It ends in {{ $value | humanizeDuration }}; from then on every question is an error, and errors abort rollouts.',
      fix: 'Renew the Secret: the gate takes the new certificate without a restart.',
    },
  ),
  rule(
    'CujGateSlow',
    `histogram_quantile(0.99, sum by (le) (rate(${httpAnswers}_bucket{${statusRoutes}}[10m]))) > 7.5`,
    '10m',
    'ticket',
    {
      summary: 'Answers take nearly as long as Argo waits.',
      description:
        'One answer in a hundred takes over {{ $value | humanizeDuration }}; the gate stops at 8 s, Argo at 10 s.',
      fix: 'cuj_gate_source_request_duration_seconds says whether it is Datadog.',
    },
  ),
];

/** A CUJ that was asked about for an hour and whose canary was hardly ever seen cannot hold a release back. */
function cujGroup(cuj: Cuj): Group {
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
          summary: `The canary of CUJ ${cuj.name} is not seen.`,
          description: `${text(titleOf(cuj))}: nearly every verdict of the last hour says that the canary has no traffic, cannot be told from stable or does not say how its requests end, so this CUJ protects nobody.`,
          fix: 'Most likely the version that the Rollout passes is not what Datadog stores (DD_VERSION). cuj-gate doctor tells.',
          ...(cuj.runbook === undefined ? {} : { runbook_url: text(cuj.runbook) }),
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
  return { alert, expr, for: wait, labels: { severity, ...labels }, annotations };
}

/** Prometheus expands `{{` in labels and annotations. */
function text(of: string): string {
  return oneLine(of).replaceAll('{{', '{ {');
}
