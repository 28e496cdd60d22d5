import { tellsCallsLeft } from '../../domain/registry/backend-words.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { canaryNeverSeen, type GateAlert, gateAlerts } from '../alerts/gate-alerts.ts';
import { defaultDocsUrl, runbookUrl } from '../alerts/runbook-links.ts';
import { type GeneratedFile, sortedBy } from '../output/generated-file.ts';
import { cujPage } from '../output/page-links.ts';
import { type AlertingRule, type OwnedGroups, type RulesFormat, rulesFiles, ruleText } from './rules-file.ts';

/**
 * Alerts about the gate, from its own metrics, in `prometheus/`: SREs should know that a gate cannot judge before a rollout
 * depends on it. One group for the gate, and one for each CUJ with its owner: developers fix a CUJ that is always
 * inconclusive. `runbook_url` is the CUJ's runbook, or the alert's section in these docs, which says what to do, step by step;
 * `docs` is its path in the repository. With `publicUrl`, the alerts of a CUJ have the address of its page (`page_url`).
 */
export function prometheusRules(
  registry: Registry,
  {
    publicUrl,
    docsUrl = defaultDocsUrl,
    format,
    namespace,
  }: {
    readonly publicUrl?: string | undefined;
    readonly docsUrl?: string | undefined;
    readonly format?: RulesFormat | undefined;
    readonly namespace?: string | undefined;
  } = {},
): GeneratedFile[] {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  const groups: OwnedGroups[] = [
    { name: 'cuj-gate', groups: [{ name: 'cuj-gate', rules: gateRules(registry, docsUrl) }] },
    ...cujs.map((cuj) => cujGroup(cuj, docsUrl, publicUrl)),
  ];
  return rulesFiles(
    'cuj-gate',
    [
      'Generated from the CUJ registry by `cuj-gate generate prometheus-rules`: change the registry, not this file.',
      '',
      'severity: page means that no release is judged now; ticket means that it should be fixed this week.',
      'Route by the labels severity and owner. Alerts may be changed and renamed: nothing refers to their names.',
    ],
    groups,
    format,
    namespace,
  );
}

/** The group of the gate's own alerts: those that the registry's backends can cause. */
function gateRules(registry: Registry, docsUrl: string): AlertingRule[] {
  const alerts = tellsCallsLeft(registry) ? gateAlerts : gateAlerts.filter((one) => !one.ofCallsLeft);
  return alerts.map((alert) => rule(alert, { runbook_url: runbookUrl(docsUrl, alert.alert) }));
}

function cujGroup(cuj: Cuj, docsUrl: string, publicUrl: string | undefined): OwnedGroups {
  const alert = canaryNeverSeen(cuj);
  const words = { ...alert, description: ruleText(alert.description) };
  const annotations = {
    runbook_url: cuj.runbook === undefined ? runbookUrl(docsUrl, alert.alert) : ruleText(cuj.runbook),
    ...(publicUrl === undefined ? {} : { page_url: cujPage(publicUrl, cuj) }),
  };
  const { environment } = cuj;
  const labels = {
    cuj: cuj.name,
    ...(environment === undefined ? {} : { environment }),
    owner: ruleText(cuj.owner),
    tier: String(cuj.tier),
  };
  const of = environment === undefined ? '' : `-in-${environment}`;
  return {
    name: `cuj-gate-cuj-${cuj.name}`,
    owner: labels.owner,
    groups: [{ name: `cuj-gate-cuj-${cuj.name}${of}`, rules: [rule(words, annotations, labels)] }],
  };
}

function rule(
  { alert, severity, summary, description, fix, prometheus }: GateAlert,
  annotations: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): AlertingRule {
  return {
    alert,
    expr: prometheus.expr,
    for: prometheus.for,
    labels: { severity, ...labels },
    annotations: {
      summary,
      description,
      fix,
      ...annotations,
      docs: `docs/operations.md#${alert.toLowerCase()}`,
    },
  };
}
