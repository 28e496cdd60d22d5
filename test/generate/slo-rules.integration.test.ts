import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { prometheusSloRules } from '../../src/generate/prometheus/slo-rules.ts';
import { nativeDocument, registryOf, timedDocument } from './slo-rules-example.ts';

/** Generated rules, as Prometheus itself evaluates them. */

const isThere = spawnSync('promtool', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'slo-rules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const rules = join(folder, 'cujs.rules.yaml');
writeFileSync(rules, prometheusSloRules(registryOf())[0]?.text ?? '');
const timedRules = join(folder, 'timed.rules.yaml');
writeFileSync(timedRules, prometheusSloRules(registryOf(timedDocument))[0]?.text ?? '');

const wholeRules = join(folder, 'whole.rules.yaml');
const whole = { ...timedDocument.cujs[0], endpoints: '*', service: 'orders', latencyMs: 250 };
writeFileSync(wholeRules, prometheusSloRules(registryOf({ ...timedDocument, cujs: [whole] }))[0]?.text ?? '');

const nativeRules = join(folder, 'native.rules.yaml');
writeFileSync(nativeRules, prometheusSloRules(registryOf(nativeDocument))[0]?.text ?? '');

interface Case {
  readonly name: string;
  /** How often rules without an interval of their own are evaluated. */
  readonly every?: string;
  /** Values by series, as promtool expands them, one a minute. */
  readonly series: Readonly<Record<string, string>>;
  /** Windows of CujBurnsErrorBudget that fire, by time. */
  readonly burning?: Readonly<Record<string, readonly string[]>>;
  /** By default those of availability alone. */
  readonly rules?: string;
  /** By expression, at a time: the value, or none. */
  readonly values?: readonly (readonly [at: string, expr: string, value: number | undefined])[];
}

function promtool({ name, every = '1m', series, burning = {}, values = [], rules: of = rules }: Case): void {
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
  writeFileSync(file, stringify({ rule_files: [of], evaluation_interval: every, tests: [test] }));
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
  it.each([rules, timedRules, wholeRules, nativeRules])('are good for Prometheus: %s', (file) => {
    execFileSync('promtool', ['check', 'rules', '--lint-fatal', file], { stdio: 'pipe' });
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

/** Two pods of POST /orders, with as many requests and durations a minute. */
const histogram = (pod: string, le: string, route = '/orders') =>
  `http_seconds_bucket{job="orders",env="prod",method="POST",route="${route}",le="${le}",instance="${pod}"}`;
const slowRatio = (window: string, cuj = 'buy') =>
  `sum(cuj:error_ratio:rate${window}{cuj="${cuj}",sli="latency"})`;
const unclassified = 'sum(cuj:unclassified_ratio:rate6h{cuj="buy"})';
const unclassifiedAlert = 'sum(ALERTS{alertname="CujRequestsUnclassified",alertstate="firing"})';
const timed = (pod: string, requests: string, all: string, within: string, le = '0.25') => ({
  [orders('POST', '/orders', '200', pod)]: requests,
  [histogram(pod, '+Inf')]: all,
  [histogram(pod, '0.1')]: '0x720',
  [histogram(pod, le)]: within,
  [histogram(pod, '0.5')]: all,
});

describe.runIf(isThere)('generated rules of latency', () => {
  it.each<Case>([
    {
      name: 'a fast service alerts nobody, with a slow request now and then',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x59 3599+60x120'),
        ...timed('b', '0+60x180', '0+60x180', '0+60x180'),
      },
      burning: { '60m': [], '120m': [], '180m': [] },
      values: [
        ['50m', slowRatio('5m'), 0],
        ['120m', unclassified, 0],
        ['120m', unclassifiedAlert, undefined],
      ],
    },
    {
      name: 'a fault of latency burns, and no longer once it is over',
      // All of one pod's requests are slow in the eleventh hour.
      series: {
        ...timed('a', '0+60x720', '0+60x720', '0+60x600 36000x59 36000+60x60'),
        ...timed('b', '0+60x720', '0+60x720', '0+60x720'),
      },
      burning: { '600m': [], '655m': ['1h', '6h', '24h'], '720m': ['24h'] },
      values: [
        ['655m', slowRatio('5m'), 0.5],
        ['655m', 'sum(cuj_endpoint:requests_bad:rate5m{sli="latency",endpoint="POST /orders"})', 1],
        ['655m', unclassified, 0],
      ],
    },
    {
      name: 'restarts are no slow requests',
      series: timed('a', '0+60x90 0+60x90', '0+60x90 0+60x90', '0+60x90 0+60x90'),
      burning: { '95m': [], '180m': [] },
      values: [
        ['95m', slowRatio('5m'), 0],
        ['180m', slowRatio('1h'), 0],
        ['180m', unclassified, 0],
      ],
    },
    {
      name: 'a pod without durations is unclassified, and neither fast nor slow',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x180'),
        [orders('POST', '/orders', '200', 'b')]: '0+60x180',
      },
      burning: { '120m': [] },
      values: [
        ['120m', slowRatio('1h'), 0],
        ['120m', unclassified, 0.5],
        ['10m', unclassifiedAlert, undefined],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'a version whose histogram has other buckets is unclassified, and does not burn',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x180'),
        ...timed('b', '0+60x180', '0+60x180', '0+60x180', '0.3'),
      },
      burning: { '120m': [] },
      values: [
        ['120m', slowRatio('1h'), 0],
        ['120m', unclassified, 0.5],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'a threshold that is no boundary classifies nothing, and burns nothing',
      series: timed('a', '0+60x180', '0+60x180', '0x180', '0.2'),
      burning: { '120m': [] },
      values: [
        ['120m', slowRatio('1h'), 0],
        ['120m', unclassified, 1],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'without a histogram all requests are unclassified',
      series: { [orders('POST', '/orders', '200')]: '0+60x180' },
      burning: { '120m': [] },
      values: [
        ['120m', slowRatio('1h'), 0],
        ['120m', unclassified, 1],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'every notation of the boundary is the same',
      series: Object.assign(
        {},
        ...['0.25', '.250', '+0.2500', '2.5e-1', '2.5E-01'].map((le, i) =>
          timed(`p${i}`, '0+60x180', '0+60x180', '0+30x180', le),
        ),
      ),
      values: [
        ['120m', slowRatio('1h'), 0.5],
        ['120m', unclassified, 0],
      ],
    },
    {
      name: 'a boundary that is written otherwise from a moment on stays one',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x90', '0.25'),
        [histogram('a', '0.250')]: '_x91 5460+60x89',
      },
      burning: { '97m': [], '180m': [] },
      values: [['180m', slowRatio('5m'), 0]],
    },
    {
      name: 'requests that time out without a duration do not look fast',
      series: timed('a', '0+60x180', '0+48x180', '0+48x180'),
      burning: { '120m': [] },
      values: [
        ['120m', unclassified, 0.2],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'a histogram that counts more than the requests, such as probes, does not dilute slow ones',
      series: timed('a', '0+60x180', '0+180x180', '0+150x180'),
      values: [
        ['120m', slowRatio('1h'), 0.5],
        ['120m', unclassified, 2],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'what one endpoint has too many of is no substitute for what another one lacks',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x180'),
        [histogram('a', '+Inf', '/orders/x')]: '0+60x180',
        [orders('GET', '/orders/{id}', '200')]: '0+60x180',
        [pay('200')]: '0+60x180',
        ...Object.fromEntries(
          ['+Inf', '1'].map((le) => [
            `http_seconds_bucket{job="pay\\"ments",env="prod",method="POST",route="/pay",le="${le}"}`,
            '0+120x180',
          ]),
        ),
      },
      values: [['120m', unclassified, 0.666667]],
    },
    {
      name: 'an endpoint that only the histogram has is unclassified',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x180'),
        [histogram('a', '+Inf', '/orders/{id}').replace('POST', 'GET')]: '0+60x180',
        [histogram('a', '0.25', '/orders/{id}').replace('POST', 'GET')]: '0+60x180',
      },
      burning: { '120m': [] },
      values: [
        ['120m', unclassified, 1],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'a histogram that is a scrape behind its counter is classified',
      series: timed(
        'a',
        '0+60x120 7200x60 7200+60x180',
        '0 0+60x120 7200x60 7200+60x179',
        '0 0+60x120 7200x60 7200+60x179',
      ),
      burning: { '121m': [], '300m': [] },
      values: [
        ['118m', unclassifiedAlert, undefined],
        ['300m', unclassifiedAlert, undefined],
      ],
    },
    {
      name: 'endpoints without a threshold are not counted',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x180'),
        [orders('GET', '/odd path', '200')]: '0+600x180',
      },
      values: [
        ['120m', 'sum(cuj:requests:rate5m{cuj="buy",sli="latency"})', 1],
        ['120m', 'sum(cuj:requests:rate5m{cuj="buy",sli="availability"})', 11],
        ['120m', unclassified, 0],
      ],
    },
    {
      name: 'a whole service in milliseconds is counted, and slow requests that failed as well',
      series: {
        [mesh('response_code="200"')]: '0+60x180',
        [mesh('response_code="503"')]: '0+60x180',
        ...Object.fromEntries(
          [
            ['200', '500', '0+60x180'],
            ['200', '+Inf', '0+60x180'],
            ['503', '500', '0x180'],
            ['503', '+Inf', '0+60x180'],
          ].map(([code, le, values]) => [
            mesh(`response_code="${code}",le="${le}"`).replace(
              'istio_requests_total',
              'istio_request_duration_milliseconds_bucket',
            ),
            values as string,
          ]),
        ),
      },
      values: [
        ['120m', slowRatio('1h', 'browse'), 0.5],
        ['120m', 'sum(cuj:unclassified_ratio:rate6h{cuj="browse"})', 0],
        ['120m', 'sum(cuj_endpoint:requests_unclassified:rate5m{cuj="browse",endpoint="*"})', 0],
      ],
    },
    {
      name: 'no traffic is neither slow nor unclassified',
      series: timed('a', '500x180', '500x180', '100x180'),
      burning: { '120m': [] },
      values: [
        ['120m', slowRatio('5m'), undefined],
        ['120m', 'cuj:unclassified_ratio:rate6h', undefined],
        ['120m', unclassifiedAlert, undefined],
      ],
    },
  ])('$name', (one) => promtool({ ...one, rules: timedRules }));

  it.each<Case>([
    {
      name: 'probes of a whole service are no substitute for durations that an endpoint lacks',
      series: {
        ...timed('a', '0+60x180', '0+60x180', '0+60x180'),
        [orders('GET', '/orders/{id}', '200')]: '0+60x180',
        ...Object.fromEntries(['0.25', '+Inf'].map((le) => [histogram('a', le, '/health'), '0+60x180'])),
      },
      values: [
        ['120m', unclassified, 0.5],
        ['120m', unclassifiedAlert, 1],
      ],
    },
    {
      name: 'a histogram that does not tell the endpoints of a whole service is compared as it is',
      series: {
        [orders('POST', '/orders', '200')]: '0+60x180',
        [orders('GET', '/orders/{id}', '200')]: '0+60x180',
        [histogram('a', '0.25', '')]: '0+90x180',
        [histogram('a', '+Inf', '')]: '0+120x180',
      },
      values: [
        ['120m', unclassified, 0],
        ['120m', slowRatio('1h'), 0.25],
      ],
    },
  ])('$name', (one) => promtool({ ...one, rules: wholeRules }));

  it('know no budget where a part of it is unclassified', { timeout: 120_000 }, () => {
    const minutes = 7 * 1440;
    const left = 'sum(cuj:error_budget_remaining:ratio{sli="latency"})';
    const sixDays = 6 * 1440;
    const lost = (all: number) => `0+${all}x${sixDays} ${all * sixDays}x60`;
    const budget = (name: string, all: number, value: number | undefined) =>
      promtool({
        name,
        every: '30m',
        rules: timedRules,
        series: timed('a', `0+10000x${minutes}`, lost(all), lost(all - 40)),
        values: [
          ['1d', left, undefined],
          ['6d', value === undefined ? left.replace('sum(', '(') : left, value],
          ['6d', 'sum(cuj:unclassified_ratio:slo_window)', (10_000 - all) / 10_000],
          // After an hour without durations: more than a quarter of 1%, of six days.
          ['145h', left.replace('sum(', '('), undefined],
        ],
      });
    budget('classified', 10_000, 0.6);
    budget('nearly', 9_976, 0.6);
    budget('too little', 9_974, undefined);
  });
});

it('is tried where promtool is', () => {
  expect(isThere || process.env.CI === undefined).toBe(true);
});
