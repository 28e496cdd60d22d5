import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { canaryNeverSeen, type GateAlert, gateAlerts } from '../alerts/gate-alerts.ts';
import { defaultDocsUrl, runbookUrl } from '../alerts/runbook-links.ts';
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
 * inconclusive. `runbook_url` is the CUJ's runbook, or the alert's section in these docs, which says what to do, step by step;
 * `docs` is its path in the repository. With `publicUrl`, the alerts of a CUJ have the address of its page (`page_url`).
 */
export function prometheusRules(
  registry: Registry,
  {
    publicUrl,
    docsUrl = defaultDocsUrl,
  }: { readonly publicUrl?: string | undefined; readonly docsUrl?: string | undefined } = {},
): GeneratedFile[] {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  const groups: Group[] = [
    { name: 'cuj-gate', rules: gateRules(docsUrl) },
    ...cujs.map((cuj) => cujGroup(cuj, docsUrl, publicUrl)),
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

/** The group of the gate's own alerts. */
function gateRules(docsUrl: string): Rule[] {
  return gateAlerts.map((alert) => rule(alert, { runbook_url: runbookUrl(docsUrl, alert.alert) }));
}

function cujGroup(cuj: Cuj, docsUrl: string, publicUrl: string | undefined): Group {
  const alert = canaryNeverSeen(cuj);
  const words = { ...alert, description: text(alert.description) };
  const annotations = {
    runbook_url: cuj.runbook === undefined ? runbookUrl(docsUrl, alert.alert) : text(cuj.runbook),
    ...(publicUrl === undefined ? {} : { page_url: cujPage(publicUrl, cuj) }),
  };
  const { environment } = cuj;
  const labels = {
    cuj: cuj.name,
    ...(environment === undefined ? {} : { environment }),
    owner: text(cuj.owner),
    tier: String(cuj.tier),
  };
  const of = environment === undefined ? '' : `-in-${environment}`;
  return { name: `cuj-gate-cuj-${cuj.name}${of}`, rules: [rule(words, annotations, labels)] };
}

function rule(
  { alert, severity, summary, description, fix, prometheus }: GateAlert,
  annotations: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): Rule {
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

/** Escapes `{{`, which Prometheus expands in labels and annotations. */
function text(of: string): string {
  return oneLine(of).replaceAll('{{', '{ {');
}
