import { describe, expect, it } from 'vitest';
import { parseSourceTemplate, templateOf } from '../../../../src/sources/datadog/query/source-template.ts';

const total = 'sum:istio.requests{service:{service},{selector}}.as_count()';
const bad = 'sum:istio.requests{service:{service},{selector},response_code:5*}.as_count()';

const parse = (query: string) => parseSourceTemplate('istio', { total: query, bad });
const filter = (text: string) => parse(`sum:istio.requests{${text}}.as_count()`);

const selector = { kind: 'selector' } as const;
const tag = (key: string, value: string, negated = false) => ({ kind: 'tag', key, value, negated });
const among = (key: string, values: string[], negated = false) => ({ kind: 'in', key, values, negated });

describe('a source template', () => {
  it('keeps name, metrics, conditions and the tag to group by', () => {
    expect(parseSourceTemplate('istio', { total, bad, groupBy: 'path' })).toEqual({
      ok: true,
      source: {
        name: 'istio',
        groupBy: 'path',
        total: {
          aggregator: 'sum',
          metric: 'istio.requests',
          terms: [tag('service', '{service}'), selector],
        },
        bad: {
          aggregator: 'sum',
          metric: 'istio.requests',
          terms: [tag('service', '{service}'), selector, tag('response_code', '5*')],
        },
      },
    });
  });

  it.each([
    ['commas join conditions', 'a:b,{selector}', [tag('a', 'b'), selector]],
    ['spaces around commas do not matter', ' a:b , {selector} ', [tag('a', 'b'), selector]],
    ['! negates in the comma form', '!a:b,{selector}', [tag('a', 'b', true), selector]],
    ['AND joins conditions', 'a:b AND {selector}', [tag('a', 'b'), selector]],
    ['words may be lower case', 'a:b and {selector}', [tag('a', 'b'), selector]],
    ['NOT negates in the boolean form', 'NOT a:b AND {selector}', [tag('a', 'b', true), selector]],
    ['IN lists values', 'a IN (b, c) AND {selector}', [among('a', ['b', 'c']), selector]],
    [
      'NOT IN excludes values',
      'a NOT IN (b,{env}) AND {selector}',
      [among('a', ['b', '{env}'], true), selector],
    ],
    ['the selector may stand alone', '{selector}', [selector]],
    [
      'a placeholder may be part of a value',
      'host:{service}-{env}.local,{selector}',
      [tag('host', '{service}-{env}.local'), selector],
    ],
    [
      'a value may hold colons',
      'image:registry:5000/app,{selector}',
      [tag('image', 'registry:5000/app'), selector],
    ],
  ])('%s', (_, text, terms) => {
    const parsed = filter(text);
    expect(parsed.ok && templateOf(parsed.source).total.terms).toEqual(terms);
  });

  it('counts the values of a distribution with count:', () => {
    const parsed = parse('count:latency.by.route{{selector}}.as_count()');
    expect(parsed.ok && templateOf(parsed.source).total).toEqual({
      aggregator: 'count',
      metric: 'latency.by.route',
      terms: [selector],
    });
  });

  it.each([
    ['an average counts nothing', 'avg:m{{selector}}.as_count()', /aggregator "avg"/],
    ['a rate is not a count', 'sum:m{{selector}}.as_rate()', /as_count/],
    ['a query without as_count() is a rate in some clients', 'sum:m{{selector}}', /as_count/],
    ['grouping has its own field', 'sum:m{{selector}} by {path}.as_count()', /group by/],
    ['a query without a filter', 'sum:m.as_count()', /not a count query/],
    ['arithmetic', 'sum:m{{selector}}.as_count() - sum:n{{selector}}.as_count()', /./],
    ['a metric name with other characters', 'sum:m-1{{selector}}.as_count()', /name of a metric/],
    ['no selector', 'sum:m{a:b}.as_count()', /no \{selector\}/],
    ['the selector twice', 'sum:m{{selector},{selector}}.as_count()', /2 times/],
    ['the selector inside a value', 'sum:m{version:{selector}}.as_count()', /inside the condition/],
    [
      'a placeholder of the caller',
      'sum:m{version:{version},{selector}}.as_count()',
      /\{version\} is unknown/,
    ],
    ['a comma beside AND', 'sum:m{a:b,c:d AND {selector}}.as_count()', /mixes/],
    ['! beside AND', 'sum:m{!a:b AND {selector}}.as_count()', /mixes/],
    ['! beside IN', 'sum:m{!a:b,c IN (d),{selector}}.as_count()', /mixes/],
    ['OR', 'sum:m{a:b OR {selector}}.as_count()', /OR/],
    ['parentheses around conditions', 'sum:m{(a:b AND {selector})}.as_count()', /parentheses/],
    ['a condition that is no pair', 'sum:m{canary,{selector}}.as_count()', /is not key:value/],
    ['an empty condition', 'sum:m{a:b,,{selector}}.as_count()', /empty condition/],
    ['an empty filter', 'sum:m{}.as_count()', /empty condition/],
    ['upper case, which is not stored', 'sum:m{a:B,{selector}}.as_count()', /does not store/],
    ['a wildcard inside a value', 'sum:m{a:b*c,{selector}}.as_count()', /does not store/],
    ['an empty IN', 'sum:m{a IN () AND {selector}}.as_count()', /does not store/],
    ['a brace that never closes', 'sum:m{a:{service,{selector}}.as_count()', /./],
  ])('refuses %s', (_, query, message) => {
    const parsed = parse(query);
    expect(parsed.ok).toBe(false);
    expect(!parsed.ok && parsed.problems).toEqual([
      { field: 'total', message: expect.stringMatching(message), fix: expect.stringMatching(/\.$/) },
    ]);
  });

  it.each(['preset:istio', 'http_requests_total{job="{service}",code=~"5.."}'])(
    'of Prometheus says how to choose it: %s',
    (query) => {
      expect(parse(query)).toMatchObject({
        ok: false,
        problems: [
          {
            message: 'this is a source of Prometheus',
            fix: expect.stringContaining('CUJ_GATE_BACKEND=prometheus'),
          },
        ],
      });
    },
  );

  it('reports both queries at once', () => {
    const parsed = parseSourceTemplate('x', { total: 'sum:m', bad: 'avg:m{{selector}}.as_count()' });
    expect(!parsed.ok && parsed.problems.map(({ field }) => field)).toEqual(['total', 'bad']);
  });

  it('refuses bad that counts the same events as total, in whatever order', () => {
    const parsed = parseSourceTemplate('x', {
      total: 'sum:m{a:b,{selector}}.as_count()',
      bad: 'sum:m{{selector} AND a:b}.as_count()',
    });
    expect(!parsed.ok && parsed.problems).toMatchObject([
      { field: 'bad', message: expect.stringContaining('same query') },
    ]);
  });
});
