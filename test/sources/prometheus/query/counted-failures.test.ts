import { describe, expect, it } from 'vitest';
import { compareRegistries } from '../../../../src/domain/registry/compare.ts';
import { resolveRegistry } from '../../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../../src/domain/registry/schema.ts';
import { type FailureDocument, failureOf } from '../../../../src/domain/sli/failure.ts';
import {
  failureProblem,
  showsStatus,
  withFailure,
} from '../../../../src/sources/prometheus/query/counted-failures.ts';
import { prometheusDialect } from '../../../../src/sources/prometheus/query/dialect.ts';
import { matcherText } from '../../../../src/sources/prometheus/query/label-matchers.ts';
import {
  badMatchers,
  type CounterSource,
  parseCounterSource,
} from '../../../../src/sources/prometheus/query/source-template.ts';
import { digest, document } from '../traffic.ts';

function sourceOf(bad: string): CounterSource {
  const total = 'c_total{job="{service}"}';
  const parsed = parseCounterSource(
    'app',
    bad.startsWith('preset:') ? { total: bad, bad } : { total, bad: `c_total{job="{service}",${bad}}` },
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.source as CounterSource;
}

function told(source: CounterSource, failure: FailureDocument): string[] {
  const defined = withFailure(source, failureOf(failure));
  const { grpcStatus } = defined;
  return [...badMatchers(defined), ...(grpcStatus === undefined ? [] : [grpcStatus.isBad])].map(matcherText);
}

const words = (...names: string[]) => names.join('|');
const internal = 'INTERNAL|internal|Internal';
const cancelled = 'CANCELLED|cancelled|Cancelled|canceled|Canceled';

describe('a definition of failure', () => {
  it.each<[string, FailureDocument, string[]]>([
    ['code=~"5.."', ['5xx', 401], ['code=~"5..|401"']],
    ['code=~"5.."', [401], ['code=~"401"']],
    ['code="503"', '5xx', ['code=~"5.."']],
    ['code=~"5..|429",route!="/a"', '5xx', ['code=~"5.."', 'route!="/a"']],
    ['grpc_code=~"Internal|Unavailable"', { grpc: ['CANCELLED'] }, [`grpc_code=~"${cancelled}"`]],
    // What is no status stays: nobody said that it is good.
    ['code=~"5..|0"', ['5xx', 401], ['code=~"5..|401|0"']],
    ['code=~"(5..|429|error)"', [401], ['code=~"401|error"']],
    ['code=~"[45]..|5xx|in(ternal|valid)"', '5xx', ['code=~"5..|in(ternal|valid)"']],
    ['code=~"5..|\\|x"', '5xx', ['code=~"5..|\\\\|x"']],
    ['result=~"error|unavailable"', { grpc: ['INTERNAL'] }, [`result=~"${internal}|error"`]],
    ['code=~"5..",code!="599"', ['5xx', 401], ['code=~"5..|401"', 'code!="599"']],
    [
      'grpc_status="UNAVAILABLE"',
      { grpc: ['INTERNAL', 'DATA_LOSS'] },
      [`grpc_status=~"${words(internal, 'DATA_LOSS|data_loss|DataLoss')}"`],
    ],
    ['status="unavailable"', { grpc: ['DATA_LOSS'] }, ['status=~"DATA_LOSS|data_loss|DataLoss"']],
    ['rpc_grpc_status_code=~"1[34]"', 'grpc', ['rpc_grpc_status_code=~"2|4|12|13|14|15"']],
    ['preset:opentelemetry', ['5xx', 401], ['http_response_status_code=~"5..|401"']],
    // Both are in Istio's counter: the one that is not written stays.
    ['preset:istio', ['5xx', 401], ['response_code=~"5..|401"', 'grpc_response_status=~"2|4|12|13|14|15"']],
    [
      'preset:istio',
      { grpc: ['INTERNAL', 'UNAVAILABLE'] },
      ['response_code=~"5.."', 'grpc_response_status=~"13|14"'],
    ],
  ])('takes the place of the status in bad: %s with %j', (bad, failure, expected) => {
    const source = sourceOf(bad);
    expect(failureProblem(source, failureOf(failure))).toBeUndefined();
    expect(told(source, failure)).toEqual(expected);
    expect(withFailure(source, undefined)).toBe(source);
  });

  it.each<[string, FailureDocument, RegExp]>([
    ['outcome="error"', ['5xx', 401], /by 5xx, 401 here: .* "app" has no status \(outcome="error"\)/],
    ['outcome="error"', 'errors', /^failure: errors is for traces: .*: outcome="error"\)$/],
    ['preset:linkerd', [401], /has no status \(classification="failure"\)/],
    ['code=~"5.."', 'grpc', /has a status of HTTP/],
    ['grpc_code="Internal"', '5xx', /has a status of gRPC/],
    // A label whose values are unknown where it fails.
    ['outcome!="ok"', 'grpc', /has no status/],
    ['code!~"2..|3.."', ['5xx'], /has no status/],
    ['error=~"true|1"', 'grpc', /has no status/],
    ['code=~"[45]..",code!~"401|403"', ['5xx', 401], /^401 is among the failures, .* \(code!~"401\|403"\)$/],
    ['code=~"5..",code!~"4.."', ['5xx', '4xx'], /^4xx is among the failures/],
    ['grpc_code="Internal",grpc_code!~"Canceled|Cancelled"', { grpc: ['CANCELLED'] }, /^CANCELLED is among/],
    ['code=~"5..",upstream_code=~"5.."', ['5xx', 401], /has more than one status/],
    ['shard=~"[3-9]..",code=~"5.."', ['5xx', 401], /has more than one status/],
    ['code=~"5..",class="5xx"', ['5xx', 401], /has more than one status/],
    ['grpc_code="Internal",grpc_code!="Canceled"', { grpc: ['CANCELLED'] }, /^CANCELLED is among/],
    ['code=~"5..",code!~"4[0-4].",code!~"4[5-9]."', ['5xx', '4xx'], /^4xx is among the failures/],
    // What else these select would be lost.
    ['code=~"((5..|0))"', ['5xx', 401], /selects statuses and other values/],
    ['code=~"(5(00|03)|0)"', ['5xx', 401], /selects statuses and other values/],
    ['code=~"[^23].*"', ['5xx', 401], /selects statuses and other values/],
    ['code=~"[^23]\\\\d\\\\d"', ['5xx', 401], /selects statuses and other values/],
  ])('is refused where bad has no such status: %s with %j', (bad, failure, message) => {
    expect(failureProblem(sourceOf(bad), failureOf(failure))?.message).toMatch(message);
  });

  it('is refused where total leaves out what it names', () => {
    const parsed = parseCounterSource('app', {
      total: 'c_total{job="{service}",code!~"4.."}',
      bad: 'c_total{job="{service}",code!~"4..",code=~"5.."}',
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    expect(failureProblem(parsed.source, failureOf(['5xx', 401]))).toEqual({
      message: '401 is among the failures, and the source "app" leaves such requests out (code!~"4..")',
      fix: 'Remove this matcher from the source, or 401 from failure.',
    });
    expect(failureProblem(parsed.source, failureOf(['5xx']))).toBeUndefined();
  });

  it('is refused where it is unknown what total leaves out', () => {
    const [total, bad] = ['', ',code=~"5.."'].map(
      (more) => `c_total{job="{service}",code!~"(?i)canceled"${more}}`,
    ) as [string, string];
    const parsed = parseCounterSource('app', { total, bad });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    expect(failureProblem(parsed.source, failureOf(['5xx']))?.message).toMatch(/^it is unknown what code!~/);
  });

  it.each<[string, FailureDocument, boolean]>([
    ['404', [401], true],
    ['4xx', [401], false],
    ['4XX', ['5xx', 429], false],
    ['2xx', [401], true],
    ['4xx', ['4xx', '5xx'], true],
    ['0', [401], true],
    ['error', [401], false],
    ['OK', [401], true],
    ['Internal', 'grpc', true],
    ['Cancelled', 'grpc', true],
    ['timeout', 'grpc', false],
  ])('is told by the value %s, by %j: %s', (value, failure, expected) => {
    expect(showsStatus(value, failureOf(failure))).toBe(expected);
  });
});

describe('a registry of Prometheus', () => {
  function resolved(more: Partial<RegistryDocument>) {
    const inputs = [{ file: 'cujs.yaml', document: { ...document, ...more } }];
    return resolveRegistry(inputs, digest, { dialect: prometheusDialect });
  }
  const cuj = { name: 'order', owner: 'team-orders', service: 'orders', endpoints: ['POST /a'] };
  const service = { env: 'production', source: 'app', canary: 'version:{version}' };

  it('has definitions on services, CUJs and endpoints; the nearest one holds', () => {
    const result = resolved({
      services: { orders: { ...service, failure: ['5xx', 429] } },
      cujs: [
        { ...cuj, endpoints: ['POST /a', { method: 'POST', path: '/b', failure: '5xx' }] },
        { ...cuj, name: 'login', failure: ['5xx', 401] },
      ],
    });
    if (!result.ok) throw new Error(JSON.stringify(result.findings));
    const texts = [...result.registry.cujs.values()].map(({ endpoints }) =>
      endpoints.map(({ failure }) => failure?.text),
    );
    expect(texts).toEqual([['5xx, 429', '5xx'], ['5xx, 401']]);
  });

  it('refuses a definition where it stands, for each service that cannot have it', () => {
    const words = {
      total: 'c_total{job="{service}"}',
      bad: 'c_total{job="{service}",outcome="error"}',
      groupBy: 'route',
    };
    const result = resolved({
      sources: { ...document.sources, words },
      services: { orders: service, search: { ...service, source: 'words', failure: 'errors' } },
      cujs: [
        { ...cuj, failure: [401], endpoints: ['POST /a', { service: 'search', resource: 'x' }] },
        { ...cuj, name: 'own', endpoints: [{ service: 'search', resource: 'x', failure: ['5xx'] }] },
        // Each has its own: the CUJ's is nobody's.
        {
          ...cuj,
          name: 'fine',
          failure: [401],
          endpoints: [{ method: 'POST', path: '/a', failure: ['5xx'] }],
        },
      ],
    });
    const findings = result.ok ? [] : result.findings;
    expect(findings[1]?.fix).toBe('Write failure on the endpoints that it fits, and not on the CUJ.');
    expect(findings.map(({ rule, path }) => `${rule} ${path.join('.')}`)).toEqual([
      'failure-on-template services.search.failure',
      'failure-on-template cujs.0.failure',
      'failure-on-template cujs.1.endpoints.0.failure',
    ]);
  });

  it('tells that a definition takes the place of what a source says', () => {
    const of = (failure?: string) => {
      const result = resolved({
        services: { orders: service },
        cujs: [{ ...cuj, ...(failure === undefined ? {} : { failure }) }] as NonNullable<
          RegistryDocument['cujs']
        >,
      });
      if (!result.ok) throw new Error(JSON.stringify(result.findings));
      return result.registry;
    };
    const messages = compareRegistries(of(), of('5xx')).map(({ message }) => message);
    expect(messages).toEqual([expect.stringMatching(/: failure from bad of the source app to 5xx$/)]);
  });
});
