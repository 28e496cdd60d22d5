import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { canaryNeverSeen, type GateAlert, gateAlerts } from '../alerts/gate-alerts.ts';
import { defaultDocsUrl, runbookUrl } from '../alerts/runbook-links.ts';
import { sortedBy } from '../output/generated-file.ts';
import { cujPage } from '../output/page-links.ts';
import { literal, withoutTemplates } from './terraform-names.ts';

export interface GateMonitorOptions {
  /** Handles at the end of each message. Those with `{owner}` are for the monitors of CUJs. */
  readonly notify: readonly string[];
  readonly publicUrl?: string | undefined;
  readonly docsUrl?: string | undefined;
}

type Monitors = Record<string, Record<string, unknown>>;

/** Attributes of `datadog_monitor` resources by their names: the alerts about the gate, each once, and one for each CUJ. */
export function gateMonitors(registry: Registry, options: GateMonitorOptions): Monitors {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  return Object.assign(
    {},
    ...gateAlerts.map((alert) => monitorsOf(alert, resourceOf(alert), options)),
    ...cujs.map((cuj) => {
      const alert = canaryNeverSeen(cuj);
      return monitorsOf(alert, `${resourceOf(alert)}_${cuj.name.replaceAll('-', '_')}`, options, cuj);
    }),
  );
}

function monitorsOf(alert: GateAlert, resource: string, options: GateMonitorOptions, cuj?: Cuj): Monitors {
  const { datadog, severity, summary } = alert;
  const about = cuj === undefined ? '' : ` (${cuj.name})`;
  const common = {
    priority: severity === 'page' ? '1' : '3',
    tags: [
      `alert:${alert.alert.toLowerCase()}`,
      ...(cuj === undefined ? [] : [`cuj:${cuj.name}`]),
      ...(cuj?.environment === undefined ? [] : [`cuj-environment:${cuj.environment}`]),
      'managed-by:cuj-gate',
      `severity:${severity}`,
    ],
    // A query without data is judged by what is there: pods come and go.
    require_full_window: false,
  };
  const name = `[cuj-gate] ${alert.alert}${about}: ${inDatadog(summary)}`;
  const main = { name: literal(name), message: messageOf(alert, options, cuj) };
  if ('query' in datadog) {
    return {
      [resource]: {
        ...main,
        type: 'query alert',
        query: datadog.query,
        monitor_thresholds: [{ critical: criticalOf(datadog.query) }],
        ...(datadog.notifyNoData === true ? { on_missing_data: 'show_and_notify_no_data' } : {}),
        ...common,
      },
    };
  }
  const { require_full_window: _, ...ofComposite } = common;
  const parts = Object.entries(datadog.allOf);
  return {
    ...Object.fromEntries(
      parts.map(([part, query]) => [
        `${resource}_${part}`,
        {
          name: `[cuj-gate] ${alert.alert}: part ${part}`,
          message: `A part of the monitor ${alert.alert}, which notifies. By itself it means nothing.`,
          type: 'query alert',
          query,
          monitor_thresholds: [{ critical: criticalOf(query) }],
          ...common,
        },
      ]),
    ),
    [resource]: {
      ...main,
      type: 'composite',
      query: parts.map(([part]) => `\${datadog_monitor.${resource}_${part}.id}`).join(' && '),
      // The provider would ask Datadog at plan time for monitors that do not exist yet.
      validate: false,
      ...ofComposite,
    },
  };
}

/** `CujGateDown` is `cuj_gate_down`. */
function resourceOf({ alert }: GateAlert): string {
  return alert.replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase();
}

function criticalOf(query: string): string {
  return /[<>] (-?[\d.]+)$/.exec(query)?.[1] ?? '';
}

function messageOf(
  { alert, description, fix, datadog }: GateAlert,
  { notify, publicUrl, docsUrl = defaultDocsUrl }: GateMonitorOptions,
  cuj: Cuj | undefined,
): string {
  const handles = notify.flatMap((handle) =>
    cuj !== undefined
      ? [handle.replaceAll('{owner}', () => withoutTemplates(cuj.owner))]
      : handle.includes('{owner}')
        ? []
        : [handle],
  );
  const runbook =
    cuj?.runbook === undefined ? runbookUrl(docsUrl, alert) : withoutTemplates(oneLine(cuj.runbook));
  const words = cuj === undefined ? inDatadog(description) : withoutTemplates(description);
  return literal(
    [
      datadog.description ?? words,
      `To do: ${datadog.fix ?? fix}`,
      '',
      `Runbook: ${runbook}`,
      ...(cuj === undefined ? [] : [`Owner: ${withoutTemplates(oneLine(cuj.owner))}`]),
      ...(cuj === undefined || publicUrl === undefined ? [] : [`Its releases: ${cujPage(publicUrl, cuj)}`]),
      ...(handles.length === 0 ? [] : ['', handles.join(' ')]),
    ].join('\n'),
  );
}

/** Prometheus's templates as Datadog's. */
function inDatadog(text: string): string {
  return text
    .replaceAll('{{ $value | humanizePercentage }}', '{{eval "value*100"}}%')
    .replaceAll('{{ $value | humanizeDuration }}', '{{value}} s')
    .replaceAll('{{ $value }}', '{{value}}')
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, '{{$1.name}}');
}
