import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../../src/demo/datadog/filter.ts';
import { parseFormula, parseMetricQuery, parseQueryList } from '../../../src/demo/datadog/query-language.ts';

const parsers = { query: parseMetricQuery, formula: parseFormula, 'query list': parseQueryList };

describe('what Datadog accepts', () => {
  it.each([
    ['a count with an equality', 'query', 'sum:trace.http.request.hits{env:prod}.as_count()'],
    ['no aggregator', 'query', 'system.cpu.idle{*}'],
    ['groups by two tags', 'query', 'sum:m{*} by {service,resource_name}.as_count()'],
    ['spaces between the parts', 'query', ' sum:m { env:prod } by { a , b } .as_count() '],
    ['a rollup with method and seconds', 'query', 'sum:m{*}.as_count().rollup(sum, 60)'],
    ['a rollup with seconds alone', 'query', 'sum:m{*}.rollup(60)'],
    ['a fill', 'query', 'sum:m{*}.fill(zero)'],
    ['a threshold count', 'query', 'count(v: v<=0.3):trace.x{*} by {resource_name}.as_count()'],
    ['a threshold count without spaces', 'query', 'count(v:v>2):trace.x{*}'],
    ['commas inside IN', 'query', 'sum:m{env:prod AND resource_name IN (get_/a,get_/b/:id, get_/c)}'],
    ['keywords in any case', 'query', 'sum:m{env:prod and not version in (a,b) Or x:y}'],
    ['NOT IN', 'query', 'sum:m{version NOT IN (v1.42.0)}'],
    ['the comma form with negations', 'query', 'sum:m{env:prod,service:x,!version:y}'],
    ['a lone negation', 'query', 'sum:m{!version:y}'],
    ['nested parentheses', 'query', 'sum:m{((a:1 OR a:2) AND NOT (b:3 OR b:4))}'],
    ['a wildcard in a value', 'query', 'sum:m{http.status_code:5*,region:*east*}'],
    ['a formula of names', 'formula', '(a + b) / default_zero(total_2) * 100'],
    [
      'arithmetic of the v1 API',
      'query list',
      'default_zero(sum:m{a:b}.as_count()) / (sum:m{*}.as_count() - 1)',
    ],
    ['several v1 queries', 'query list', 'sum:m{*}, avg:n{a:b} by {c}'],
  ] as const)('accepts %s', (_, language, text) => {
    expect(() => parsers[language](text)).not.toThrow();
  });

  it.each([
    ['! beside AND', 'query', 'sum:m{env:prod AND !version:y}', /"!" cannot be mixed/],
    ['! before AND', 'query', 'sum:m{!version:y AND env:prod}', /"!" cannot be mixed|was expected/],
    [', beside IN', 'query', 'sum:m{env:prod,resource_name IN (a,b)}', /"," cannot be mixed/],
    [', after IN', 'query', 'sum:m{resource_name IN (a,b),env:prod}', /"," cannot be mixed/],
    [', beside OR', 'query', 'sum:m{env:prod OR env:dev,service:x}', /"," cannot be mixed/],
    [', beside NOT', 'query', 'sum:m{env:prod, NOT version:y}', /"," cannot be mixed/],
    ['an empty filter', 'query', 'sum:m{}', /filter is empty/],
    ['no filter at all', 'query', 'sum:m.as_count()', /"\{" was expected/],
    ['an empty IN', 'query', 'sum:m{a IN ()}', /was expected before "\)"/],
    ['IN without parentheses', 'query', 'sum:m{a IN b}', /"?\(.* was expected/],
    ['a key with a value before IN', 'query', 'sum:m{a:b IN (c)}', /before IN is not a tag key/],
    ['two tags without a connective', 'query', 'sum:m{env:prod service:x}', /"," was expected/],
    ['a trailing comma', 'query', 'sum:m{env:prod,}', /expected at the end/],
    ['an open parenthesis', 'query', 'sum:m{(a:b OR c:d}', /was expected at the end/],
    ['a dangling AND', 'query', 'sum:m{a:b AND}', /was expected at the end/],
    ['quotes round a value', 'query', 'sum:m{a:"b c"}', /unexpected character/],
    ['braces of a raw route', 'query', 'sum:m{resource_name:get_/users/{id}}', /./],
    ['a tag without a value', 'query', 'sum:m{env:}', /has no value/],
    ['an unknown aggregator', 'query', 'last:m{*}', /unknown aggregator "last"/],
    ['an unknown function', 'query', 'sum:m{*}.as_counts()', /unknown function \.as_counts/],
    ['as_count with an argument', 'query', 'sum:m{*}.as_count(60)', /unknown function/],
    ['a rollup by an unknown method', 'query', 'sum:m{*}.rollup(median, 60)', /method and seconds/],
    ['an empty by-clause', 'query', 'sum:m{*} by {}', /by-clause/],
    ['a value in the by-clause', 'query', 'sum:m{*} by {env:prod}', /by-clause/],
    ['a threshold on another aggregator', 'query', 'sum(v: v<=1):m{*}', /./],
    ['a threshold on another letter', 'query', 'count(x: x<=1):m{*}', /threshold such as/],
    ['an unclosed filter', 'query', 'sum:m{env:prod', /never closed/],
    ['text after the query', 'query', 'sum:m{*} please', /the end was expected/],
    ['arithmetic in a v2 query', 'query', 'sum:m{*} / sum:n{*}', /not a single metric query/],
    ['two queries in one of v2', 'query', 'sum:m{*}, sum:n{*}', /the end was expected/],
    ['a metric query in a formula', 'formula', 'sum:m{*}', /the end was expected/],
    ['an unknown function in a formula', 'formula', 'median(a)', /unknown function median/],
    ['a formula that ends in an operator', 'formula', 'a +', /was expected at the end/],
  ] as const)('refuses %s', (_, language, text, reason) => {
    expect(() => parsers[language](text)).toThrow(reason);
  });
});

describe('what a filter matches', () => {
  const tags = new Map([
    ['env', 'production'],
    ['version', 'v1.42.0'],
    ['resource_name', 'get_/api/v1/users/:user_id'],
    ['http.status_code', '503'],
  ]);

  it.each([
    ['everything', '*', true],
    ['an equal value', 'env:production', true],
    ['another value', 'env:staging', false],
    ['a value in another case: stored values are lower case', 'env:Production', false],
    ['a prefix without a wildcard', 'version:v1.42', false],
    ['all terms of the comma form', 'env:production,version:v1.42.0', true],
    ['one wrong term of the comma form', 'env:production,version:v1.41.0', false],
    ['a negation that holds', 'env:production,!version:v1.41.0', true],
    ['a negation that does not', 'env:production,!version:v1.42.0', false],
    ['a value with colons', 'resource_name:get_/api/v1/users/:user_id', true],
    ['a prefix wildcard', 'http.status_code:5*', true],
    ['a suffix wildcard', 'version:*.0', true],
    ['a wildcard on both sides', 'resource_name:*users*', true],
    ['a dot that is no wildcard', 'version:v1x42*', false],
    ['a wildcard that does not match', 'http.status_code:4*', false],
    ['IN with the value among others', 'version IN (v1.41.0,v1.42.0)', true],
    ['IN without the value', 'version IN (v1.41.0,v1.40.0)', false],
    ['a wildcard inside IN, which is compared as it stands', 'version IN (v1*)', false],
    ['NOT IN without the value', 'version NOT IN (v1.41.0)', true],
    ['NOT IN with the value', 'version NOT IN (v1.41.0,v1.42.0)', false],
    ['AND before OR', 'env:staging AND version:x OR version:v1.42.0', true],
    ['parentheses before AND', 'env:staging AND (version:x OR version:v1.42.0)', false],
    ['NOT before AND', 'NOT env:staging AND version:v1.42.0', true],
    ['NOT of a group', 'NOT (env:production AND version:v1.42.0)', false],
    ['a key that the metric does not carry', 'http.status_class:5xx', false],
    ['NOT on a key that the metric does not carry', 'NOT http.status_class:5xx', true],
    ['! on a key that the metric does not carry', '!role:canary', true],
    ['IN on a key that the metric does not carry', 'role IN (canary)', false],
    ['NOT IN on a key that the metric does not carry', 'role NOT IN (canary)', true],
    ['any value of a key it has', 'env:*', true],
    ['any value of a key it has not', 'role:*', false],
  ])('judges %s', (_, filter, expected) => {
    expect(parseFilter(filter)(tags)).toBe(expected);
  });
});
