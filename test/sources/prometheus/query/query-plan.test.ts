import { describe, expect, it } from 'vitest';
import type { QueryBatch } from '../../../../src/domain/registry/model.ts';
import type { SourceDocument } from '../../../../src/domain/registry/schema.ts';
import {
  escapedForRegex,
  matcherTest,
  quoted,
  regexProblem,
} from '../../../../src/sources/prometheus/query/label-matchers.ts';
import { describeQueries, planQuery } from '../../../../src/sources/prometheus/query/query-plan.ts';
import { batchOf, document, registryOf } from '../traffic.ts';

function batchWith(app: SourceDocument, tags?: Record<string, string>): QueryBatch {
  const services = Object.fromEntries(
    Object.entries(document.services ?? {}).map(([name, one]) => [name, { ...one, ...(tags && { tags }) }]),
  );
  const grouped = { groupBy: 'method/route', ...app };
  return batchOf(registryOf({ ...document, sources: { app: grouped }, services }));
}

describe('the queries of a batch', () => {
  it('are about one service: a question reads the samples of its own services alone', () => {
    expect(registryOf().batches.flatMap((batch) => describeQueries(batch))).toEqual([
      { name: 'requests', query: 'http_requests_total{job="carts"}' },
      { name: 'requests', query: 'http_requests_total{job="orders"}' },
    ]);
  });

  it('can be one selector for several services, where bad events are a part of all', () => {
    const batch = batchWith({
      total: 'http_requests_total{job="{service}"}',
      bad: 'http_requests_total{job="{service}",code=~"5.."}',
    });
    expect(describeQueries(batch)).toEqual([
      { name: 'requests', query: 'http_requests_total{job=~"carts|orders"}' },
    ]);
  });

  it('hold the names of services and the environment as the registry writes them', () => {
    const total = 'requests_total{app="shop/{service}",env="{env}",kind!="probe"';
    const batch = batchWith({ total: `${total}}`, bad: `${total},code="5"}` });
    expect(describeQueries(batch)).toEqual([
      {
        name: 'requests',
        query: 'requests_total{app=~"shop/carts|shop/orders",env="production",kind!="probe"}',
      },
    ]);
  });

  it('have the scope tags of the registry', () => {
    const batch = batchWith(
      { total: 'a_total{job="{service}"}', bad: 'a_total{job="{service}",code="5"}' },
      { cluster: 'eu-1' },
    );
    expect(planQuery(batch).query).toBe('a_total{job=~"carts|orders",cluster="eu-1"}');
  });

  it('take dots of a name for dots', () => {
    const batch = batchWith({
      total: 'a_total{host="{service}.shop(1)"}',
      bad: 'a_total{host="{service}.shop(1)",code="5"}',
    });
    expect(planQuery(batch).query).toBe(
      'a_total{host=~"carts\\\\.shop\\\\(1\\\\)|orders\\\\.shop\\\\(1\\\\)"}',
    );
  });
});

describe('a text in a query', () => {
  it('never ends the quotes that it stands in', () => {
    expect(quoted('a"} or vector(1) #\\')).toBe('"a\\"} or vector(1) #\\\\"');
    expect(quoted('a\nb')).toBe('"a\\nb"');
  });

  it('means itself in a regular expression', () => {
    const text = 'a.b*c(d)|[e]{f}^$\\+?';
    expect(new RegExp(`^(?:${escapedForRegex(text)})$`).test(text)).toBe(true);
    expect(new RegExp(`^(?:${escapedForRegex('a.b')})$`).test('axb')).toBe(false);
  });
});

describe('a matcher that is applied here', () => {
  const test = (operator: '=' | '!=' | '=~' | '!~', value: string, code?: string) =>
    matcherTest({ label: 'code', operator, value })(code === undefined ? {} : { code });

  it('matches whole values, and takes a label that is missing for an empty one', () => {
    expect(test('=~', '5..', '503')).toBe(true);
    expect(test('=~', '5..', '1503')).toBe(false);
    expect(test('=~', '4..|5..', '503x')).toBe(false);
    expect(test('!~', '2..|3..', '503')).toBe(true);
    expect(test('=~', '5..')).toBe(false);
    expect(test('=~', '5.', '5\u{1f600}')).toBe(true);
    expect(test('!~', '2..')).toBe(true);
    expect(test('=', '')).toBe(true);
    expect(test('!=', '200', '500')).toBe(true);
  });

  it('does not take a name of JavaScript for a label', () => {
    expect(matcherTest({ label: 'constructor', operator: '!=', value: '' })({})).toBe(false);
  });

  it('allows what RE2 and JavaScript read alike', () => {
    for (const text of ['5..', '(4|5)[0-9][^1-5]', '5\\d\\d|error.*', 'a-b_c:d/e', '\\.\\*', ''])
      expect(regexProblem(text)).toBeUndefined();
  });
});
