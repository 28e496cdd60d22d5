import { describe, expect, it } from 'vitest';
import { countedEvents } from '../../src/doctor/metric-query.ts';
import { filledRoutes, nearestRoutes } from '../../src/doctor/nearest-routes.ts';

describe('the nearest names with traffic', () => {
  const routes = new Map([
    ['get_/api/v1/users/_user_id', 50],
    ['get_/api/v1/users/_user_id/likes', 40],
    ['post_/api/v1/users/_user_id/likes', 30],
    ['/api/v1/matches', 20],
    ['get_/healthz', 10],
  ]);

  it.each([
    ['another way to write a placeholder comes first', 'get_/api/v1/users/:id', 'get_/api/v1/users/_user_id'],
    ['a name without its method is found', 'get_/api/v1/matches', '/api/v1/matches'],
    ['a misspelt segment is found', 'post_/api/v1/users/:user_id/like', 'post_/api/v1/users/_user_id/likes'],
  ])('%s', (_, wanted, nearest) => {
    expect(nearestRoutes(wanted, routes)[0]).toBe(nearest);
  });

  it('are none where nothing is near', () => {
    expect(nearestRoutes('delete_/admin/reports/daily', routes)).toEqual([]);
  });
});

describe('raw paths of a route', () => {
  const routes = new Map([
    ['get_/users/17', 1],
    ['get_/users/6f1c2a90-1111-4222-8333-444455556666', 1],
    ['get_/users/me', 1],
    ['get_/users/17/likes', 1],
  ]);

  it('are numbers and ids in the place of a placeholder, words are not', () => {
    expect(filledRoutes('get_/users/:id', routes)).toEqual([
      'get_/users/17',
      'get_/users/6f1c2a90-1111-4222-8333-444455556666',
    ]);
    expect(filledRoutes('get_/users/me', routes)).toEqual([]);
  });
});

describe("an SLO's query", () => {
  const conditionsOf = (text: string) =>
    countedEvents(text).map(({ metric, conditions }) => [
      metric,
      Object.fromEntries([...conditions].map(([key, values]) => [key, [...values]])),
    ]);

  it('is read in the boolean form', () => {
    expect(
      conditionsOf(
        'sum:a.hits{env:prod AND service IN (x, y) AND http.status_code:5* AND version NOT IN (v1)}.as_count()',
      ),
    ).toEqual([['a.hits', { service: ['x', 'y'], env: ['prod'], 'http.status_code': ['5*'] }]]);
  });

  it('is read in the form with commas', () => {
    expect(
      conditionsOf('sum:a.hits{env:prod,!service:x,resource_name:get_/a:b} by {service}.as_count()'),
    ).toEqual([['a.hits', { env: ['prod'], resource_name: ['get_/a:b'] }]]);
  });

  it('may be a formula over several metrics, or count durations', () => {
    expect(conditionsOf('sum:a{x:1}.as_count() - sum:b{*}.as_count()').map(([metric]) => metric)).toEqual([
      'a',
      'b',
    ]);
    expect(conditionsOf('count(v: v<=0.3):trace.web{env:prod}.as_count()')).toEqual([
      ['trace.web', { env: ['prod'] }],
    ]);
  });
});
