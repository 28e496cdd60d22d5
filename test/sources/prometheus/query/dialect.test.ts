import { describe, expect, it } from 'vitest';
import { resolveRegistry } from '../../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../../src/domain/registry/schema.ts';
import { normalizeParam, parseSelector } from '../../../../src/domain/registry/selector.ts';
import { prometheusDialect } from '../../../../src/sources/prometheus/query/dialect.ts';
import { recordedThresholds } from '../../../../src/sources/prometheus/query/native-boundaries.ts';
import { digest, document, registryOf, timedDocument } from '../traffic.ts';

const total = 'http_requests_total{job="{service}"}';
const bad = 'http_requests_total{job="{service}",code=~"5.."}';

function parse(over: { total?: string; bad?: string; groupBy?: string }) {
  return prometheusDialect.parseSource('app', { total, bad, ...over });
}

/** The only problem: field, message and fix. */
function problem(over: Parameters<typeof parse>[0]) {
  const parsed = parse(over);
  if (parsed.ok) throw new Error('it has no problem');
  expect(parsed.problems).toHaveLength(1);
  return parsed.problems[0];
}

describe('a registry', () => {
  it('keeps versions and routes as Prometheus stores them', () => {
    const registry = registryOf();
    expect(registry.cujs.get('order')?.endpoints.map(({ resource }) => resource)).toEqual([
      'POST /Orders/{id}',
      'GET /Orders/{id}/Items',
    ]);
    expect(normalizeParam('version', 'V1.42.0-RC1+build', prometheusDialect)).toEqual({
      value: 'V1.42.0-RC1+build',
    });
  });

  it('warns of a service without a source: there are no trace metrics', () => {
    const services = {
      ...document.services,
      carts: { env: 'production', operation: 'http.request', canary: 'version:{version}' },
    };
    const resolution = resolveRegistry([{ file: 'cujs.yaml', document: { ...document, services } }], digest, {
      dialect: prometheusDialect,
    });
    expect(resolution).toMatchObject({ ok: true, warnings: [{ rule: 'no-trace-metrics' }] });
  });

  it('warns of thresholds inside a bucket of a native histogram, where they are written', () => {
    const duration = 'http_request_duration_seconds{job="{service}"}';
    const warned = (sources: RegistryDocument['sources']) => {
      const of = { ...timedDocument, sources } as RegistryDocument;
      const resolution = resolveRegistry([{ file: 'cujs.yaml', document: of }], digest, {
        dialect: prometheusDialect,
      });
      return resolution.ok ? resolution.warnings : [];
    };
    const app = timedDocument.sources?.app as NonNullable<RegistryDocument['sources']>['app'];
    expect(warned({ app })).toEqual([]);
    // That of 1000 ms is a boundary.
    const rule = 'threshold-inside-bucket';
    const fix = expect.stringContaining('Set latencyMs to 250 or 500, or');
    expect(warned({ app: { ...app, duration } })).toMatchObject([
      { rule, path: ['cujs', 0, 'endpoints', 0, 'latencyMs'], fix },
      { rule, path: ['cujs', 1, 'latencyMs'], fix },
    ]);
  });

  it.each([
    ['seconds', 0.5, [0.48828125, 0.9765625]],
    ['seconds', 31.25, [31.25]],
    ['seconds', 250, [250]],
    ['seconds', 251, [250, 500]],
    ['seconds', 3_000, [2_000, 4_000]],
    ['milliseconds', 250, [128, 256]],
    ['milliseconds', 256, [256]],
  ] as const)('knows which thresholds all native histograms in %s have: %d ms', (unit, latencyMs, exact) => {
    expect(recordedThresholds(latencyMs, { kind: 'native', unit })).toEqual(exact);
  });

  it('refuses keys of selectors that are no labels', () => {
    expect(parseSelector('kube.version:{version}', prometheusDialect)).toMatchObject({
      error: expect.stringContaining('A-Z a-z 0-9 _'),
    });
    expect(parseSelector('__name__:{version}', prometheusDialect)).toHaveProperty('error');
    expect(parseSelector('Version_2:{version}', prometheusDialect)).not.toHaveProperty('error');
  });

  it.each(['', 'a"b', "a'b", 'a\\b', 'a\nb', 'a`b', 'a;b', 'ä', 'a\u0000', 'x'.repeat(1_001)])(
    'does not take %j for a value',
    (value) => {
      expect(prometheusDialect.isSafeTagValue(value)).toBe(false);
    },
  );

  it('never has an endpoint that means the whole service', () => {
    const key = prometheusDialect.endpointKey('GET', '*');
    expect(key).not.toBe('*');
    expect(
      prometheusDialect.isSafeTagValue(prometheusDialect.endpointKey('POST', '/a/{id}/:b/<int:c>/*')),
    ).toBe(true);
  });
});

describe('a source', () => {
  it('is data that JSON can hold', () => {
    const parsed = parse({ groupBy: 'method/route' });
    expect(parsed).toEqual(JSON.parse(JSON.stringify(parsed)));
    expect(parsed).toMatchObject({
      ok: true,
      source: {
        total: {
          metric: 'http_requests_total',
          matchers: [{ label: 'job', operator: '=', value: '{service}' }],
        },
        endpointLabels: ['method', 'route'],
      },
    });
  });

  it('is read with any spaces, quotes, escapes, a comma at the end, and braces that are no placeholder', () => {
    const text = ` app:requests:total { job = 'prod/{service}' , path!~"/a/[0-9]{2}|\\\\d", le="a\\"b", } `;
    const failed = text.replace('{', '{code="500",').replace(/, } $/, ' }');
    expect(parse({ total: text, bad: failed })).toMatchObject({
      source: {
        total: {
          metric: 'app:requests:total',
          matchers: [
            { label: 'job', operator: '=', value: 'prod/{service}' },
            { label: 'path', operator: '!~', value: '/a/[0-9]{2}|\\d' },
            { label: 'le', operator: '=', value: 'a"b' },
          ],
        },
      },
    });
  });

  it.each(['istio', 'linkerd', 'opentelemetry'])('may be the preset %s alone', (name) => {
    expect(parse({ total: `preset:${name}`, bad: `preset:${name}` })).toMatchObject({ ok: true });
  });

  it('takes the endpoints of the preset, unless it names its own', () => {
    const preset = { total: 'preset:opentelemetry', bad: 'preset:opentelemetry' };
    expect(parse(preset)).toMatchObject({ source: { groupBy: 'http_request_method/http_route' } });
    expect(parse({ ...preset, groupBy: 'url_template' })).toMatchObject({
      source: { endpointLabels: ['url_template'] },
    });
  });

  it.each([
    ['rate(http_requests_total{job="{service}"}[5m])', 'not a selector of a counter'],
    ['sum(http_requests_total{job="{service}"})', 'not a selector of a counter'],
    ['http_requests_total{job="{service}"}[5m]', 'stands behind'],
    ['http_requests_total{job="{service}"} offset 5m', 'stands behind'],
    ['http_requests_total{job="{service}"} or up', 'stands behind'],
    ['{__name__="http_requests_total",job="{service}"}', 'not a selector of a counter'],
    ['http_requests_total{__name__="up",job="{service}"}', '"__name__" is not a label'],
    ['http_requests_total', 'does not name {service}'],
    ['http_requests_total{}', 'does not name {service}'],
    ['http_requests_total{job="api"}', 'does not name {service}'],
    ['http_requests_total{job="{service}",app="{service}"}', 'more than one'],
    ['http_requests_total{job=~"{service}"}', 'in a matcher with =~'],
    ['http_requests_total{job="{service}",version="{version}"}', 'placeholder {version} is unknown'],
    ['http_requests_total{job="{service}",{selector}}', 'is not a matcher'],
    ['http_requests_total{job={service}}', 'is not a matcher'],
    ['http_requests_total{job="{service}" code="200"}', 'is not a matcher'],
    ['http_requests_total{job="{service}\\n"}', 'escape'],
    ['preset:envoy', 'there is no preset:envoy'],
    ['preset:toString', 'there is no preset:toString'],
  ])('refuses %s, and says what to write', (text, message) => {
    expect(problem({ total: text })).toMatchObject({
      field: 'total',
      message: expect.stringContaining(message),
      fix: expect.stringMatching(/./),
    });
  });

  it('reports both queries and the labels at once', () => {
    expect(parse({ total: 'rate(x)', bad: 'y', groupBy: 'http.route' })).toMatchObject({
      problems: [{ field: 'total' }, { field: 'bad' }, { field: 'groupBy' }],
    });
  });

  it('refuses bad events that are all events', () => {
    expect(problem({ bad: 'http_requests_total{ job="{service}" }' })).toMatchObject({
      field: 'bad',
      message: expect.stringContaining('every event would be bad'),
    });
  });

  it.each([
    ['errors_total{job="{service}"}', 'bad counts errors_total and total http_requests_total'],
    ['http_requests_total{app="{service}",code="500"}', 'bad lacks job="{service}", route!="/healthz"'],
    ['http_requests_total{job="{service}",status="failure"}', 'bad lacks route!="/healthz"'],
    ['http_requests_total{job="{service}",route!="/ready",code="500"}', 'bad lacks route!="/healthz"'],
  ])('refuses bad events that are not among those of total: %s', (text, message) => {
    const own = { total: 'http_requests_total{job="{service}",route!="/healthz"}', bad: text };
    expect(problem(own)).toMatchObject({
      field: 'bad',
      message: expect.stringContaining(message),
      fix: expect.stringMatching(/./),
    });
  });

  it('refuses bad events that total excludes', () => {
    const success = 'http_requests_total{job="{service}",status="success"';
    expect(
      problem({ total: `${success}}`, bad: 'http_requests_total{job="{service}",status="failure"}' }),
    ).toMatchObject({ field: 'bad', message: expect.stringContaining('bad lacks status="success"') });
    expect(problem({ total: `${success}}`, bad: `${success},status="failure"}` })).toMatchObject({
      field: 'bad',
      message: expect.stringContaining('total has one value of status only'),
    });
  });

  it.each([
    '5{2}',
    '(5..)+',
    '5**',
    '(?i)error',
    '\\p{L}',
    '5..)',
    '(5..',
    '.*a.*b',
    'a?b?c?d?',
    '\\1',
    '[9-0]..',
  ])('refuses the regular expression %s, which it would have to apply itself', (regex) => {
    const quoted = regex.replaceAll('\\', '\\\\');
    expect(problem({ bad: `http_requests_total{job="{service}",code=~"${quoted}"}` })).toMatchObject({
      field: 'bad',
      message: expect.stringContaining('regular expression'),
    });
  });
});
