import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { prometheusSloRules } from '../../src/generate/prometheus/slo-rules.ts';
import { registryOf } from './slo-rules-example.ts';

/** Generated rules, as Prometheus itself evaluates them. */

const isThere = spawnSync('promtool', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'slo-rules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const rules = join(folder, 'cujs.rules.yaml');
writeFileSync(rules, prometheusSloRules(registryOf())[0]?.text ?? '');

interface Case {
  readonly name: string;
  /** How often rules without an interval of their own are evaluated. */
  readonly every?: string;
  /** Values by series, as promtool expands them, one a minute. */
  readonly series: Readonly<Record<string, string>>;
  /** Windows of CujBurnsErrorBudget that fire, by time. */
  readonly burning?: Readonly<Record<string, readonly string[]>>;
  /** By expression, at a time: the value, or none. */
  readonly values?: readonly (readonly [at: string, expr: string, value: number | undefined])[];
}

function promtool({ name, every = '1m', series, burning = {}, values = [] }: Case): void {
  const alert = {
    '1h': { severity: 'page' },
    '6h': { severity: 'page' },
    '24h': { severity: 'ticket' },
    '3d': { severity: 'ticket' },
  } as const;
  const file = join(folder, `${name.replace(/\W+/g, '-')}.test.yaml`);
  const test = {
    name,
    interval: '1m',
    input_series: Object.entries(series).map(([of, text]) => ({ series: of, values: text })),
    promql_expr_test: [
      ...values.map(([at, expr, value]) => ({
        expr: value === undefined ? expr : `round(1e6 * ${expr}) / 1e6`,
        eval_time: at,
        exp_samples: value === undefined ? [] : [{ labels: '{}', value }],
      })),
      ...Object.entries(burning).map(([at, windows]) => ({
        expr: 'count by (window, severity) (ALERTS{alertname="CujBurnsErrorBudget"})',
        eval_time: at,
        exp_samples: windows.map((window) => ({
          labels: `{severity="${alert[window as keyof typeof alert].severity}",window="${window}"}`,
          value: 1,
        })),
      })),
    ],
  };
  writeFileSync(file, stringify({ rule_files: [rules], evaluation_interval: every, tests: [test] }));
  execFileSync('promtool', ['test', 'rules', file], { stdio: 'pipe', encoding: 'utf8' });
}

const orders = (method: string, route: string, code: string, pod = 'a') =>
  `http_requests_total{job="orders",env="prod",method="${method}",route="${route}",code="${code}",instance="${pod}"}`;
const pay = (code: string) =>
  `http_requests_total{job="pay\\"ments",env="prod",method="POST",route="/pay",code="${code}"}`;
const mesh = (labels: string) =>
  `istio_requests_total{reporter="source",destination_service_name="catalog",${labels}}`;
const ratio = (window: string, cuj = 'buy') => `sum(cuj:error_ratio:rate${window}{cuj="${cuj}"})`;
const sound = {
  [orders('POST', '/orders', '200')]: '0+60x180',
  [orders('GET', '/orders/{id}', '200', 'b')]: '0+60x180',
  [pay('200')]: '0+60x180',
};

describe.runIf(isThere)('generated rules of SLOs', () => {
  it('are good for Prometheus', () => {
    execFileSync('promtool', ['check', 'rules', '--lint-fatal', rules], { stdio: 'pipe' });
  });

  it.each<Case>([
    {
      name: 'a sound CUJ alerts nobody',
      series: { ...sound, [orders('POST', '/orders', '500')]: '1x60 1x60 2x60' },
      burning: { '60m': [], '120m': [], '180m': [] },
      values: [['60m', ratio('5m'), 0]],
    },
    {
      name: 'one that burns does, and no longer once it is over',
      // 12 of 192 requests a minute fail in the eleventh hour.
      series: {
        ...Object.fromEntries(Object.keys(sound).map((series) => [series, '0+60x720'])),
        [pay('503')]: '0x600 0+12x60 720x60',
      },
      burning: { '600m': [], '655m': ['1h', '6h', '24h'], '720m': ['24h'] },
      values: [
        ['655m', ratio('5m'), 0.0625],
        ['600m', ratio('5m'), 0],
        [
          '655m',
          'sum(cuj_endpoint:requests_bad:rate5m{cuj="buy",service="pay\\"ments",endpoint="POST /pay"})',
          0.2,
        ],
      ],
    },
    {
      name: 'one failure soon after the rules are loaded alerts nobody',
      series: {
        [orders('POST', '/orders', '200')]: '0+10x60',
        [orders('POST', '/orders', '500')]: '0 0 0 1x57',
      },
      burning: { '5m': [], '7m': [], '30m': [] },
      values: [['5m', ratio('1h'), 0.019608]],
    },
    {
      name: 'an outage soon after the rules are loaded alerts after a third of an hour',
      series: {
        [orders('POST', '/orders', '200')]: '0+10x60',
        [orders('POST', '/orders', '500')]: '0+10x60',
      },
      burning: { '15m': [], '25m': ['1h'] },
    },
    {
      name: 'failures of endpoints that are not the CUJ s count nowhere',
      series: {
        ...sound,
        [orders('GET', '/orders', '500')]: '0+30x180',
        [orders('POST', '/orders/{id}', '500')]: '0+30x180',
        [orders('DELETE', '/orders', '500')]: '0+30x180',
        [orders('GET', '/orders/Xid}', '500')]: '0+30x180',
      },
      burning: { '120m': [] },
      values: [['120m', ratio('1h'), 0]],
    },
    {
      name: 'a value with a space belongs to the endpoint that has it',
      series: {
        [orders('GET', '/odd path', '200')]: '0+30x180',
        [orders('GET', '/odd path', '500')]: '0+30x180',
      },
      values: [
        ['120m', ratio('1h'), 0.5],
        ['120m', 'sum(cuj_endpoint:requests:rate5m{endpoint="GET /odd path"})', 1],
      ],
    },
    {
      name: 'series that differ by a label called endpoint, as operators and frameworks have it, are all counted',
      series: Object.fromEntries(
        ['http', 'metrics'].flatMap((endpoint) =>
          ['200', '500'].map((code) => [
            orders('POST', '/orders', code).replace('}', `,endpoint="${endpoint}"}`),
            '0+60x120',
          ]),
        ),
      ),
      values: [
        ['120m', ratio('1h'), 0.5],
        ['120m', 'sum(cuj_endpoint:requests:rate5m{endpoint="POST /orders"})', 4],
      ],
    },
    {
      name: 'no traffic is no failure and no division by zero',
      series: { [orders('POST', '/orders', '200')]: '500x180', [orders('POST', '/orders', '500')]: '40x180' },
      burning: { '120m': [] },
      values: [
        ['120m', ratio('5m'), undefined],
        ['120m', ratio('1h'), undefined],
        ['120m', 'sum(cuj:requests:rate5m)', 0],
        ['120m', 'cuj:error_budget_remaining:ratio', undefined],
      ],
    },
    { name: 'nothing at all alerts nobody', series: { up: '1x180' }, burning: { '120m': [] } },
    {
      name: 'a service without samples hides no failure of another one',
      series: {
        [orders('POST', '/orders', '200')]: '0+60x180',
        [orders('POST', '/orders', '500')]: '0+60x180',
      },
      values: [['120m', ratio('1h'), 0.5]],
    },
    {
      name: 'failures of gRPC count, each once',
      series: {
        [mesh('request_protocol="http",response_code="200"')]: '0+60x180',
        [mesh('request_protocol="grpc",response_code="200",grpc_response_status="0"')]: '0+60x180',
        [mesh('request_protocol="grpc",response_code="200",grpc_response_status="14"')]: '0+60x180',
        [mesh('request_protocol="grpc",response_code="503",grpc_response_status="14"')]: '0+60x180',
        [mesh('request_protocol="grpc",response_code="200",grpc_response_status="5"')]: '0+60x180',
      },
      values: [['120m', ratio('1h', 'browse'), 0.4]],
    },
  ])('$name', (one) => promtool(one));

  it('know a budget once they have known a third of its window', { timeout: 120_000 }, () => {
    const days = (count: number) => count * 1440;
    promtool({
      name: 'budget',
      every: '30m',
      series: {
        [orders('POST', '/orders', '200')]: `0+9990x${days(7)}`,
        [orders('POST', '/orders', '500')]: `0+5x${days(7)}`,
      },
      values: [
        ['1d', 'sum(cuj:error_ratio:slo_window{slo_window="7d"})', 0.0005],
        ['1d', 'cuj:error_budget_remaining:ratio', undefined],
        ['56h', 'cuj:error_budget_remaining:ratio', undefined],
        ['58h', 'sum(cuj:error_budget_remaining:ratio{cuj="buy"})', 0.49975],
        ['6d', 'sum(cuj:error_budget_remaining:ratio{cuj="buy"})', 0.49975],
        ['6d', 'sum(ALERTS{alertname="CujErrorBudgetUsed",used="50%"})', 1],
      ],
    });
  });
});

it('is tried where promtool is', () => {
  expect(isThere || process.env.CI === undefined).toBe(true);
});
