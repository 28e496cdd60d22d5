export type Json = Readonly<Record<string, unknown>>;

interface Target {
  readonly expr: string;
  readonly legend: string;
  /** The current value, for stats and tables. */
  readonly instant?: true;
}

export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly type: 'timeseries' | 'stat' | 'table';
  readonly unit: string;
  /** In grid columns (24 a row) and rows. */
  readonly width: number;
  readonly height: number;
  readonly targets: readonly Target[];
  readonly custom?: Json;
  /** A line at this value, and what is above it in red. */
  readonly threshold?: number;
  /** Its series, or the rows of its table, have the label `cuj`: they can link to the page of their CUJ. */
  readonly byCuj?: true;
  /** It shows calls that a rate limit leaves, which not every backend tells. */
  readonly ofCallsLeft?: true;
}

/** The labels of what a person chose to see. */
export const chosenCuj = 'cuj=~"$cuj"';
const chosen = `${chosenCuj},service=~"$service"`;
const sliLegend = '{{cuj}} {{sli}}';
const bars = { drawStyle: 'bars', stacking: { mode: 'normal' }, fillOpacity: 80, lineWidth: 0 };

export type Rows = readonly { readonly title: string; readonly panels: readonly Panel[] }[];

/** What the dashboard shows, row by row. */
export const rows: Rows = [
  {
    title: 'Now',
    panels: [
      stat('CUJs', 'In the current registry.', 'short', 'max(cuj_gate_registry_cujs)'),
      stat(
        'Registry loaded',
        'Time since the current registry was loaded.',
        's',
        'time() - max(cuj_gate_registry_loaded_timestamp_seconds)',
      ),
      stat(
        'Refused changes, 1 d',
        'Failed reloads of the registry; the previous version is kept.',
        'short',
        'sum(increase(cuj_gate_registry_reload_errors_total[1d]))',
        1,
      ),
      stat(
        'CUJs with a fresh verdict',
        'A verdict is shown for 15 minutes after the last measurement.',
        'short',
        'count(count by (cuj) (cuj_gate_evidence)) or vector(0)',
      ),
      stat(
        'Datadog calls left',
        "In Datadog's current rate limit period, by its last response.",
        'short',
        'min(cuj_gate_source_rate_limit_remaining)',
        undefined,
        { ofCallsLeft: true },
      ),
      stat(
        'Calls to backends, 1 h',
        'Calls of the gate to its metrics backends in the last hour; they count against the rate limit.',
        'short',
        'sum(increase(cuj_gate_source_request_duration_seconds_count[1h]))',
      ),
    ],
  },
  {
    title: 'Verdicts',
    panels: [
      series(
        'Verdicts',
        'Verdicts by outcome.',
        'short',
        [
          [
            'sum by (verdict) (increase(cuj_gate_verdicts_total{cuj=~"$cuj",service=~"$service"}[$__rate_interval]))',
            '{{verdict}}',
          ],
        ],
        { custom: bars },
      ),
      series(
        'Inconclusive by reason',
        'Inconclusive verdicts by reason. The causes of source_…, clock_skew, gate_overloaded and auth_unavailable are in the gate, in the metrics backend or in the token issuer.',
        'short',
        [
          [
            `sum by (reason) (increase(cuj_gate_verdicts_total{${chosen},verdict="inconclusive"}[$__rate_interval]))`,
            '{{reason}}',
          ],
        ],
        { custom: bars },
      ),
      {
        title: 'Verdicts by CUJ, in the time shown',
        description: 'How often each CUJ passed, failed or was inconclusive.',
        type: 'table',
        unit: 'short',
        width: 24,
        height: 8,
        targets: [
          {
            expr: `sum by (cuj, service, verdict, reason) (increase(cuj_gate_verdicts_total{${chosen}}[$__range])) > 0`,
            legend: '',
            instant: true,
          },
        ],
        byCuj: true,
      },
    ],
  },
  {
    title: 'Evidence',
    panels: [
      series(
        'Evidence against the canary',
        'A service meeting its SLO reaches evidence of N in fewer than 1 of N rollouts. The canary fails at 1/falseAbort (20 by default) times the number of SLIs that are judged together.',
        'short',
        [[`max by (cuj, service, sli) (cuj_gate_evidence{${chosen}})`, sliLegend]],
        { threshold: 20, custom: { scaleDistribution: { type: 'log', log: 10 } }, byCuj: true },
      ),
      series(
        'SLI, canary',
        'Good events over total events since the rollout began.',
        'percentunit',
        [[`min by (cuj, service, sli) (cuj_gate_sli_ratio{${chosen},scope="canary"})`, sliLegend]],
        { byCuj: true },
      ),
      series(
        'Events of the canary',
        'Events that the verdicts are based on.',
        'short',
        [
          [
            `sum by (cuj, service, sli) (max by (cuj, service, sli, kind) (cuj_gate_events{${chosen},scope="canary"}))`,
            sliLegend,
          ],
        ],
        { byCuj: true },
      ),
      series(
        'SLI, stable',
        'The same for stable, over the queried span.',
        'percentunit',
        [[`min by (cuj, service, sli) (cuj_gate_sli_ratio{${chosen},scope="stable"})`, sliLegend]],
        { byCuj: true },
      ),
    ],
  },
  {
    title: 'Metrics backends',
    panels: [
      series(
        'Calls',
        'By backend and outcome; retries within a call are not counted.',
        'reqps',
        [
          [
            'sum by (backend, outcome) (rate(cuj_gate_source_request_duration_seconds_count[$__rate_interval]))',
            '{{backend}} {{outcome}}',
          ],
        ],
        { custom: bars },
      ),
      series(
        'Response time',
        'The gate stops waiting after 8 s.',
        's',
        [
          [
            'histogram_quantile(0.5, sum by (le) (rate(cuj_gate_source_request_duration_seconds_bucket[$__rate_interval])))',
            'median',
          ],
          [
            'histogram_quantile(0.99, sum by (le) (rate(cuj_gate_source_request_duration_seconds_bucket[$__rate_interval])))',
            '99%',
          ],
        ],
        { threshold: 8 },
      ),
      series(
        'Datadog calls left',
        "In Datadog's current rate limit period.",
        'short',
        [['min(cuj_gate_source_rate_limit_remaining)', 'left']],
        { ofCallsLeft: true },
      ),
      series(
        'Stale data and clock skew',
        "The age of the newest data where it has stopped for canary and stable; the difference between a replica's clock and the backend's.",
        's',
        [
          ['max by (cuj, service) (cuj_gate_source_stale_seconds) > 0', '{{cuj}} {{service}} stale'],
          ['max(abs(cuj_gate_source_clock_skew_seconds))', 'clock'],
        ],
      ),
      series(
        'Queries by source of the result',
        'Results from the cache, and joined queries, cost no calls to the backend.',
        'reqps',
        [
          ['sum(rate(cuj_gate_cache_hits_total[$__rate_interval]))', 'from the cache'],
          ['sum(rate(cuj_gate_cache_coalesced_total[$__rate_interval]))', 'joined a pending query'],
          ['sum(rate(cuj_gate_cache_misses_total[$__rate_interval]))', 'queried the backend'],
        ],
        { custom: bars },
      ),
    ],
  },
  {
    title: 'The gate',
    panels: [
      series(
        'Answers',
        'By route and code. Argo treats anything but 200 as an error, and aborts a rollout after enough errors.',
        'reqps',
        [
          [
            'sum by (route, code) (rate(cuj_gate_http_request_duration_seconds_count[$__rate_interval]))',
            '{{route}} {{code}}',
          ],
        ],
      ),
      series(
        'Response time, 99%',
        'Argo stops waiting after 10 s.',
        's',
        [
          [
            'histogram_quantile(0.99, sum by (le, route) (rate(cuj_gate_http_request_duration_seconds_bucket[$__rate_interval])))',
            '{{route}}',
          ],
        ],
        { threshold: 8 },
      ),
      series('Pending requests', 'Beyond the limit, requests are answered with gate_overloaded.', 'short', [
        ['sum(cuj_gate_inflight_requests)', 'pending'],
      ]),
      series(
        'Current registries',
        'More than one for longer than a reload means that replicas judge differently.',
        'short',
        [['count by (digest) (cuj_gate_registry_info)', '{{digest}}']],
      ),
    ],
  },
];

function stat(
  title: string,
  description: string,
  unit: string,
  expr: string,
  threshold?: number,
  more: Pick<Panel, 'ofCallsLeft'> = {},
): Panel {
  return {
    title,
    description,
    type: 'stat',
    unit,
    width: 4,
    height: 4,
    targets: [{ expr, legend: '', instant: true }],
    ...(threshold === undefined ? {} : { threshold }),
    ...more,
  };
}

export function series(
  title: string,
  description: string,
  unit: string,
  targets: readonly (readonly [expr: string, legend: string])[],
  more: Pick<Panel, 'custom' | 'threshold' | 'byCuj' | 'ofCallsLeft'> = {},
): Panel {
  const asked = targets.map(([expr, legend]) => ({ expr, legend }));
  return { title, description, type: 'timeseries', unit, width: 12, height: 8, targets: asked, ...more };
}
