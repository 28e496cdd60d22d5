import { recorded } from '../../sources/prometheus/query/recorded-series.ts';
import { burnRates } from '../alerts/burn-rates.ts';
import { chosenCuj, type Rows, series } from './grafana-panels.ts';

const legend = '{{cuj}} {{sli}}';
const byCuj = { byCuj: true } as const;
const of = (name: string) => `${name}{${chosenCuj}}`;
const [fastest] = burnRates;

/** The SLOs of the CUJs, row by row: names of series are those of the rules that record them. */
export const cujRows: Rows = [
  {
    title: 'Error budgets',
    panels: [
      {
        title: 'Error budget left',
        description: 'Of the whole SLO window, the least first. Below 0%: overspent.',
        type: 'table',
        unit: 'percentunit',
        width: 12,
        height: 8,
        targets: [{ expr: `sort(${of(recorded.budgetRemaining)})`, legend: '', instant: true }],
        ...byCuj,
      },
      series(
        'Error budget left',
        'The same over time.',
        'percentunit',
        [[of(recorded.budgetRemaining), legend]],
        byCuj,
      ),
    ],
  },
  {
    title: 'SLIs',
    panels: [
      series(
        'Bad requests',
        'The share of requests that failed, or were slow, over 5 minutes.',
        'percentunit',
        [[of(recorded.errorRatio('5m')), legend]],
        byCuj,
      ),
      series(
        `Burn rate, ${fastest.long}`,
        `Times the rate that the SLO allows. The line is that of the fastest alert, ${fastest.rate}.`,
        'short',
        [
          [
            `${of(recorded.errorRatio(fastest.long))} / ignoring (slo_window) (1 - ${of(recorded.objective)})`,
            legend,
          ],
        ],
        { ...byCuj, threshold: fastest.rate },
      ),
    ],
  },
  {
    title: 'Requests',
    panels: [
      series(
        'Requests',
        'All requests that count for the SLI, canary and stable.',
        'reqps',
        [[of(recorded.requests), legend]],
        byCuj,
      ),
      series(
        'Bad requests by endpoint',
        'The ten endpoints with the most requests that failed, or were slow.',
        'reqps',
        [
          [
            `topk(10, sum by (cuj, sli, service, endpoint) (${of(recorded.endpointBad)}) > 0)`,
            '{{cuj}} {{sli}} {{service}} {{endpoint}}',
          ],
        ],
        byCuj,
      ),
      series(
        'Requests of unknown duration',
        'Latency: the share of requests of which it is unknown whether they were slow, over 6 hours. They have no duration, or no bucket ends at latencyMs.',
        'percentunit',
        [[of(recorded.unclassifiedRatio), '{{cuj}}']],
        byCuj,
      ),
    ],
  },
];
