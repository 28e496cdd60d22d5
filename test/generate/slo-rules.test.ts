import { describe, expect, it } from 'vitest';
import { openslo } from '../../src/generate/openslo/openslo.ts';
import { isKubernetes } from '../../src/generate/output/layout.ts';
import { grafanaCujsDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { prometheusSloRules } from '../../src/generate/prometheus/slo-rules.ts';
import { registryOf as datadogRegistryOf, documentsOf, exampleDocument, type Loose } from './example.ts';
import { document, nativeDocument, registryOf, timedDocument } from './slo-rules-example.ts';

const registry = registryOf();
const only = (options = {}) => {
  const files = prometheusSloRules(registry, options);
  expect(files).toHaveLength(1);
  return files[0] as (typeof files)[number];
};
const groups: Loose[] = documentsOf(only().text)[0].groups;
const rulesOf = (cuj: string): Loose[] =>
  groups.flatMap(({ rules }) => rules).filter((rule) => rule.labels.cuj === cuj);
const recording = (cuj: string, record: string) =>
  rulesOf(cuj)
    .filter((rule) => rule.record === record)
    .map(({ expr }) => expr);
const alerts = (cuj: string, alert: string) => rulesOf(cuj).filter((rule) => rule.alert === alert);

describe('rules of SLOs in Prometheus', () => {
  it('count exactly the endpoints of the CUJ, however their labels may part', () => {
    const [orders, payments] = recording('buy', 'cuj_endpoint:requests:rate5m');
    const selected = (more: string) => `rate(http_requests_total{job="orders",env="prod",${more}}[5m])`;
    const selectors = [
      selected('method="GET",route=~"/odd path|/orders/\\\\{id\\\\}"'),
      selected('method="GET /odd",route="path"'),
      selected('method="POST",route="/orders"'),
    ];
    expect(orders).toBe(
      `sum by (endpoint) (label_join(sum by (method, route) (${selectors.join(' or ')}), "endpoint", " ", "method", "route"))`,
    );
    expect(payments).toContain('job="pay\\"ments"');
  });

  it('count the failures of each endpoint by its own definition, and each request once', () => {
    const endpoints = [
      { service: 'orders', method: 'POST', path: '/orders', failure: ['5xx', 401] },
      'GET /b',
    ];
    const cuj = { name: 'buy', owner: 'team', service: 'orders', endpoints };
    const [file] = prometheusSloRules(registryOf({ ...document, cujs: [cuj] }));
    const rules: Loose[] = documentsOf(file?.text ?? '')[0].groups.flatMap((one: Loose) => one.rules);
    const exprOf = (record: string) => rules.find((rule) => rule.record === record)?.expr;
    const selected = (more: string) => `rate(http_requests_total{job="orders",env="prod",${more}}[5m])`;
    const bad = [
      selected('method="POST",route="/orders",code=~"5..|401"'),
      selected('method="GET",route="/b",code=~"5.."'),
    ];
    expect(exprOf('cuj_endpoint:requests_bad:rate5m')).toContain(`(${bad.join(' or ')})`);
    expect(exprOf('cuj_endpoint:requests:rate5m')).toContain(
      `(${[selected('method="GET",route="/b"'), selected('method="POST",route="/orders"')].join(' or ')})`,
    );
    expect(rules.find(({ annotations }) => annotations !== undefined)?.annotations.failures).toBe(
      'Requests with code=~"5..", on GET /b; or code=~"5..|401", on POST /orders fail.',
    );
  });

  it('count the failures of gRPC as the gate does, and zero where there is no counter of failures', () => {
    expect(recording('browse', 'cuj_endpoint:requests_bad:rate5m')).toEqual([
      expect.stringMatching(
        /response_code=~"5\.\."\}\[5m\]\) or rate\(.*request_protocol="grpc",grpc_response_status=~"2\|4\|12\|13\|14\|15"\}\[5m\]\)\)\nor on \(\)\n0 \* cuj_endpoint:requests:rate5m\{cuj="browse",sli="availability",service="catalog"\}$/,
      ),
    ]);
  });

  it('alert on the burn rates of Datadog, and on one over three days', () => {
    expect(
      alerts('buy', 'CujBurnsErrorBudget').map(({ labels, expr }) => [labels.window, labels.severity, expr]),
    ).toEqual(
      [
        ['1h', 'page', 14.4, '5m', '[40m] offset 20m'],
        ['6h', 'page', 6, '30m', '[240m] offset 120m'],
        ['24h', 'ticket', 3, '2h', '[960m] offset 480m'],
        ['3d', 'ticket', 1, '6h', '[2880m] offset 1440m'],
      ].map(([long, severity, rate, short, known]) => [
        long,
        severity,
        `cuj:error_ratio:rate${long}{cuj="buy",sli="availability"} > ${rate} * 0.001\nand\ncuj:error_ratio:rate${short}{cuj="buy",sli="availability"} > ${rate} * 0.001\nand on ()\npresent_over_time(cuj:requests:rate5m{cuj="buy",sli="availability"}${known})`,
      ]),
    );
  });

  it('lower a burn rate that the objective does not allow', () => {
    const low = registryOf({ ...document, defaults: { slo: { availability: 90 } } });
    const text = prometheusSloRules(low)[0]?.text;
    expect(text).toContain('> 5 * 0.1');
    expect(text).not.toContain('14.4');
  });

  it('alert on the policy of the CUJ, or at 75%', () => {
    const used = (cuj: string) => alerts(cuj, 'CujErrorBudgetUsed').map(({ expr }) => expr.split(' < ')[1]);
    expect(used('buy')).toEqual(['0.5', '0']);
    expect(used('browse')).toEqual(['0.25']);
  });

  it('have owner, tier and runbook, and nothing that Prometheus would expand', () => {
    const [alert] = alerts('buy', 'CujBurnsErrorBudget');
    expect(alert.labels).toMatchObject({ owner: 'team-{ {orders}}', tier: '1', cuj: 'buy' });
    expect(alert.annotations.runbook_url).toBe('https://wiki.example.com/buy');
    expect(alert.annotations.description).toMatch(
      /^Buy \{ \{ \{ now }}} \(buy, availability, objective 99.9%\)/,
    );
    expect(alerts('browse', 'CujErrorBudgetUsed')[0].annotations.runbook_url).toMatch(/#cujerrorbudgetused$/);
  });

  it('tell environments apart', () => {
    const { services, ...rest } = document;
    const of = registryOf({ ...rest, services });
    const cujs = new Map([...of.cujs].map(([name, cuj]) => [name, { ...cuj, environment: 'eu' }]));
    const own: Loose = documentsOf(prometheusSloRules({ ...of, environment: 'eu', cujs })[0]?.text ?? '')[0];
    for (const { name, rules } of own.groups) {
      expect(name).toMatch(/-in-eu$/);
      for (const rule of rules) expect(rule.labels.environment).toBe('eu');
    }
    expect(own.groups[0].rules.at(-1).expr).toContain('{cuj="browse",environment="eu",sli="availability"}');
  });

  it('are objects of the Prometheus Operator where that is asked for', () => {
    const options = { format: 'prometheus-rule', namespace: 'monitoring' } as const;
    for (const files of [prometheusSloRules(registry, options), prometheusRules(registry, options)]) {
      for (const file of files) {
        expect(isKubernetes(file)).toBe(true);
        const [object] = documentsOf(file.text);
        expect(object).toMatchObject({
          apiVersion: 'monitoring.coreos.com/v1',
          kind: 'PrometheusRule',
          metadata: { namespace: 'monitoring' },
        });
        expect(file.path).toBe(`prometheus/${object.metadata.name}.yaml`);
      }
    }
    const specs = prometheusSloRules(registry, options).flatMap(
      ({ text }) => documentsOf(text)[0].spec.groups,
    );
    expect(specs).toEqual(groups);
  });

  it('leave out what no series can be, instead of writing what Prometheus refuses', () => {
    const app = { ...document.sources.app, groupBy: 'method/route/host' };
    const services = {
      ...document.services,
      old: { env: 'prod', operation: 'http.request', canary: 'v:{version}' },
    };
    const cujs = [...document.cujs, { name: 'old', owner: 'team', service: 'old', endpoints: ['GET /a'] }];
    const endpoints = [
      { service: 'orders', method: 'POST', path: '/orders shop.example.com' },
      ...cujs[0].endpoints,
    ];
    const broken = { ...document, services, sources: { ...document.sources, app } };
    const text = prometheusSloRules(registryOf({ ...broken, cujs }))[0]?.text ?? '';
    expect(text).toContain(
      '# - buy: groupBy of the source app has 3 labels, which no endpoint of pay"ments fits',
    );
    expect(text).toContain('# - old: the service old has no source');
    expect(text).not.toMatch(/label_join\(,|sum\(\)|cuj-gate-slo-old/);
    const some = prometheusSloRules(registryOf({ ...broken, cujs: [{ ...cujs[0], endpoints }, cujs[1]] }))[0]
      ?.text;
    expect(some).toContain('host="shop.example.com"');
    expect(openslo(registryOf({ ...broken, cujs })).map(({ path }) => path)).not.toContain(
      'openslo/cuj-old.yaml',
    );
    expect(() => prometheusSloRules(registryOf({ ...broken, cujs: cujs.slice(2) }))).toThrow(
      'the service old has no source',
    );
  });

  it('are refused where Prometheus measures nothing', () => {
    expect(() => prometheusSloRules(datadogRegistryOf(exampleDocument()))).toThrow(
      'prometheus-slos makes rules of CUJs that Prometheus measures',
    );
  });
});

describe('rules of latency in Prometheus', () => {
  const rules: Loose[] = documentsOf(prometheusSloRules(registryOf(timedDocument))[0]?.text ?? '')[0]
    .groups.flatMap((group: Loose) => group.rules)
    .filter(({ labels }: Loose) => labels.sli === 'latency');

  it('say in words what is slow', () => {
    const [alert] = rules.filter((rule) => rule.alert === 'CujBurnsErrorBudget' && rule.labels.cuj === 'buy');
    expect(alert.annotations.slow).toBe(
      'Requests that take longer than 250 ms (GET /orders/{id}, POST /orders), 1000 ms (POST /pay) are slow.',
    );
    expect(alert.annotations.description).toContain('of its requests were slow over 1h');
    expect(alert.annotations.failures).toBeUndefined();
  });

  it('fit into a group of Mimir for a CUJ over two services', () => {
    const groups: Loose[] = documentsOf(prometheusSloRules(registryOf(timedDocument))[0]?.text ?? '')[0]
      .groups;
    expect(groups.map(({ rules }) => rules.length).every((length) => length <= 20)).toBe(true);
  });

  it('are refused with the reason where a native histogram is all that there is', () => {
    const mesh = { ...timedDocument.sources.mesh, duration: 'istio_ms{app="{service}"}' };
    const [, browse] = timedDocument.cujs;
    const all = { ...timedDocument, defaults: {}, sources: { ...timedDocument.sources, mesh } };
    const only = registryOf({ ...all, cujs: [{ ...browse, slo: { latency: 99 } }] });
    expect(() => prometheusSloRules(only)).toThrow(
      'prometheus-slos can make no rules of this registry: browse (latency): the durations of catalog are a native histogram, of which rules would estimate how many requests take longer than 500 ms. Change latencyMs: 500 to 256 or 512',
    );
  });

  it('count what a native histogram has on both sides of a power of two', () => {
    const [orders] = documentsOf(prometheusSloRules(registryOf(nativeDocument))[0]?.text ?? '')[0]
      .groups.flatMap((group: Loose) => group.rules)
      .filter(
        ({ record, labels }: Loose) =>
          record === 'cuj_endpoint:requests_bad:rate5m' &&
          labels.service === 'orders' &&
          labels.sli === 'latency',
      );
    const rate = `rate(http_seconds{job="orders",env="prod",method="POST",route="/orders"}[5m])`;
    expect(orders.expr).toContain(
      `histogram_fraction(0.25, +Inf, ${rate}) * (histogram_count(${rate}) > 0)), "endpoint"`,
    );
  });

  it('are left out of a native histogram with another threshold, which is said, and so is its OpenSLO', () => {
    const [buy, browse] = nativeDocument.cujs;
    const endpoints = buy.endpoints.map((one: Loose) =>
      one.latencyMs === 250 ? { ...one, latencyMs: 300 } : one,
    );
    const native = registryOf({ ...nativeDocument, cujs: [{ ...buy, endpoints }, browse] });
    const text = prometheusSloRules(native)[0]?.text ?? '';
    expect(text).toContain(
      '# - buy (latency): the durations of orders are a native histogram, of which rules would estimate how many requests take longer than 300 ms. Change latencyMs: 300 to 250 or 500, or name a classic',
    );
    expect(text).not.toContain('cuj-gate-slo-buy-latency');
    expect(text).toContain('cuj-gate-slo-browse-latency');
    const names = openslo(native)
      .flatMap((file) => documentsOf(file.text))
      .map(({ metadata }) => metadata.name);
    expect(names).not.toContain('buy-latency');
    expect(names).toContain('browse-latency');
  });
});

describe('the dashboard of CUJs', () => {
  const shown = (options = {}): Loose => JSON.parse(grafanaCujsDashboard(options)[0]?.text ?? '');
  const exprs = (dashboard: Loose): string[] =>
    dashboard.panels.flatMap(({ targets = [] }: Loose) => targets.map(({ expr }: Loose) => expr));

  it('shows only series that the rules record', () => {
    const timed: Loose[] = documentsOf(prometheusSloRules(registryOf(timedDocument))[0]?.text ?? '')[0]
      .groups;
    const known = new Set(timed.flatMap(({ rules }) => rules.map(({ record }: Loose) => record)));
    const used = exprs(shown()).flatMap((expr) => expr.match(/\b\w+:\w+:\w+/g) ?? []);
    expect(used.length).toBeGreaterThanOrEqual(7);
    for (const name of used) expect(known).toContain(name);
  });

  it('shows one environment alone', () => {
    const dashboard = shown({ environment: 'eu' });
    for (const expr of exprs(dashboard)) {
      for (const selector of expr.match(/\{[^}]*\}/g) ?? []) expect(selector).toContain('environment="eu"');
    }
    expect(dashboard).toMatchObject({ uid: 'cujs-eu', title: 'Critical User Journeys (eu)' });
    expect(JSON.stringify(dashboard.templating)).toContain(
      'label_values(cuj:slo_objective:ratio{environment=\\"eu\\"}, cuj)',
    );
  });
});

describe('OpenSLO of Prometheus', () => {
  it('takes no request without a duration for a fast one', () => {
    const all = openslo(registryOf(timedDocument)).flatMap(({ text }) => documentsOf(text));
    const slow = all.find(({ kind, metadata }) => kind === 'SLO' && metadata.name === 'browse-latency');
    const { good, bad, total } = slow.spec.indicator.spec.ratioMetric;
    expect(bad).toBeUndefined();
    expect(good.metricSource.spec.query).toMatch(
      /^sum\(istio_request_duration_milliseconds_bucket\{.*,le=~".*500.*"\}\)$/,
    );
    expect(total.metricSource.spec.query).toMatch(/^sum\(istio_requests_total\{[^}]*\}\)$/);
    expect(slow.spec.objectives[0]).toMatchObject({
      target: 0.99,
      displayName: '99% of requests within 500 ms (all endpoints)',
    });
  });

  it('names the counters themselves', () => {
    const all = openslo(registry).flatMap(({ text }) => documentsOf(text));
    const buy = all.find(({ kind, metadata }) => kind === 'SLO' && metadata.name === 'buy-availability');
    const { counter, bad, total } = buy.spec.indicator.spec.ratioMetric;
    expect(counter).toBe(true);
    expect(total.metricSource.type).toBe('Prometheus');
    expect(bad.metricSource.spec.query).toMatch(
      /^sum\(http_requests_total\{.*code=~"5\.\."\} or http_requests_total/,
    );
    expect(total.metricSource.spec.query).not.toMatch(/rate|\[|code/);
  });
});
