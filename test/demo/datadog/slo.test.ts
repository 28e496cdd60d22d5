import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { SloDefinition } from '../../../src/demo/datadog/slo.ts';
import { get, MINUTE, NOON, signup, simulatorAt, stopAll } from './fixture.ts';

afterEach(stopAll);

const hits = 'trace.http.request.hits';
const slo: SloDefinition = {
  name: 'CUJ signup: availability',
  tags: ['env:production', 'cuj:signup'],
  thresholds: [
    { timeframe: '7d', target: 99.9, warning: 99.95 },
    { timeframe: '30d', target: 99 },
  ],
  sli_specification: {
    count: {
      good_events_formula: { formula: 'total - bad' },
      bad_events_formula: { formula: 'bad' },
      queries: [
        { data_source: 'metrics', name: 'total', query: `sum:${hits}{service:member-api}.as_count()` },
        {
          data_source: 'metrics',
          name: 'bad',
          query: `sum:${hits}{service:member-api,http.status_code:5*}.as_count()`,
        },
      ],
    },
  },
};
const history = (id: string) =>
  `/api/v1/slo/${id}/history?from_ts=${(NOON - 1440 * MINUTE) / 1000}&to_ts=${NOON / 1000}`;

describe('GET /api/v1/slo/{id}/history', () => {
  it('answers the SLI in percent and what is left of each budget', async () => {
    const { simulator } = await simulatorAt(NOON);
    const { id } = simulator.addSlo(slo);
    simulator.store.recordRequests({ ...signup, at: NOON - 600 * MINUTE, count: 9_990 });
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 5, statusCode: 500 });
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 5 });
    const { data } = (await get(simulator, history(id))).body;
    expect(data.overall.sli_value).toBeCloseTo(99.95, 10);
    expect(data.overall.error_budget_remaining['7d']).toBeCloseTo(50, 6);
    expect(data.overall.error_budget_remaining['30d']).toBeCloseTo(95, 6);
    expect(data.overall.errors).toBeNull();
    expect(data.series.numerator.sum).toBe(9_995);
    expect(data.series.denominator.sum).toBe(10_000);
    expect(data.series.numerator.values).toHaveLength(data.series.times.length);
    expect(data.thresholds['7d']).toMatchObject({ target: 99.9, target_display: '99.9' });
  });

  it('answers a month day by day, so that one call draws a budget over its window', async () => {
    const { simulator } = await simulatorAt(NOON);
    const { id } = simulator.addSlo(slo);
    const day = 1440 * MINUTE;
    for (let ago = 29.5; ago > 0; ago -= 1) {
      simulator.store.recordRequests({ ...signup, at: NOON - ago * day, count: 990 });
      if (ago === 9.5)
        simulator.store.recordRequests({ ...signup, at: NOON - ago * day, statusCode: 500, count: 30 });
    }
    const path = `/api/v1/slo/${id}/history?from_ts=${(NOON - 30 * day) / 1000}&to_ts=${NOON / 1000}`;
    const { series, overall } = (await get(simulator, path)).body.data;
    expect(series.times).toHaveLength(31);
    expect(series.times.slice(0, 2)).toEqual([NOON - 30 * day, NOON - 29.5 * day]);
    const bad = series.denominator.values.map((all: number, i: number) => all - series.numerator.values[i]);
    expect(bad.filter((count: number) => count > 0)).toEqual([30]);
    expect(series.times[bad.indexOf(30)]).toBe(NOON - 9.5 * day);
    expect(overall.sli_value).toBeCloseTo((100 * series.numerator.sum) / series.denominator.sum, 10);
  });

  it('answers what is left of a target that the caller names', async () => {
    const { simulator } = await simulatorAt(NOON);
    const { id } = simulator.addSlo(slo);
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 98 });
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 2, statusCode: 503 });
    const { overall } = (await get(simulator, `${history(id)}&target=96`)).body.data;
    expect(overall.error_budget_remaining.custom).toBeCloseTo(50, 6);
    expect((await get(simulator, `${history(id)}&target=all`)).status).toBe(400);
  });

  it('lets the remaining budget fall below zero', async () => {
    const { simulator } = await simulatorAt(NOON);
    const { id } = simulator.addSlo(slo);
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 98 });
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 2, statusCode: 503 });
    const { overall } = (await get(simulator, history(id))).body.data;
    expect(overall.state).toBe('breached');
    expect(overall.error_budget_remaining['30d']).toBeCloseTo(-100, 6);
  });

  it('adds up groups that have traffic and no errors', async () => {
    const { simulator } = await simulatorAt(NOON);
    const { count } = slo.sli_specification;
    const queries = count.queries.map((one) => ({
      ...one,
      query: one.query.replace('.as_count', ' by {resource_name}.as_count'),
    }));
    const { id } = simulator.addSlo({ ...slo, sli_specification: { count: { ...count, queries } } });
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 99 });
    simulator.store.recordRequests({
      ...signup,
      at: NOON - 300 * MINUTE,
      resource: 'GET /x',
      statusCode: 500,
    });
    const { data } = (await get(simulator, history(id))).body;
    expect(data.overall.sli_value).toBeCloseTo(99);
    expect(data.group_by).toEqual(['resource_name']);
  });

  it('takes total events for bad ones where the SLO has those', async () => {
    const { simulator } = await simulatorAt(NOON);
    const { bad_events_formula: _, ...rest } = slo.sli_specification.count;
    const count = { ...rest, total_events_formula: { formula: 'total' } };
    const { id } = simulator.addSlo({ ...slo, sli_specification: { count } });
    simulator.store.recordRequests({ ...signup, at: NOON - 300 * MINUTE, count: 100 });
    const { data } = (await get(simulator, history(id))).body;
    expect(data.overall.sli_value).toBe(100);
    expect(data.series.denominator.sum).toBe(100);
  });

  it('answers no data with the keys and values that are recorded', async () => {
    const recording = JSON.parse(
      readFileSync(new URL('./testdata/slo-history-no-data.json', import.meta.url), 'utf8'),
    );
    const { simulator } = await simulatorAt(NOON);
    const { id } = simulator.addSlo({ ...slo, thresholds: [{ timeframe: '7d', target: 95 }] });
    const { from_ts: from, to_ts: to } = recording;
    const { data } = (await get(simulator, `/api/v1/slo/${id}/history?from_ts=${from}&to_ts=${to}`)).body;
    expect(data.overall).toEqual(recording.overall);
    expect(Object.keys(data).sort()).toEqual(recording.keys);
    expect(data.series.interval).toBe(recording.interval);
    expect(data.series.times).toEqual(recording.times);
    expect(data.series.denominator_query).toBe(
      `(default_zero(sum:${hits}{service:member-api}.as_count()) - ` +
        `default_zero(sum:${hits}{service:member-api,http.status_code:5*}.as_count())) + ` +
        `(default_zero(sum:${hits}{service:member-api,http.status_code:5*}.as_count()))`,
    );
  });

  it.each([
    ['an SLO that nobody registered', '/api/v1/slo/0/history?from_ts=1&to_ts=2', 404, /SLO 0 not found/],
    ['a history without times', '/api/v1/slo/x/history', 400, /from_ts must be/],
    ['an empty range', '/api/v1/slo/x/history?from_ts=2&to_ts=2', 400, /must be before/],
  ])('refuses %s', async (_, path, status, reason) => {
    const { simulator } = await simulatorAt(NOON);
    simulator.addSlo({ ...slo, id: 'x' });
    const answer = await get(simulator, path);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0]).toMatch(reason);
  });
});

describe('SLOs', () => {
  it.each([
    ['all', '', ['a', 'b']],
    ['by id', '?ids=b', ['b']],
    ['by part of the name', '?query=log', ['b']],
    ['by tags', '?tags_query=env:production,cuj:login', ['b']],
    ['by tags that none has', '?tags_query=cuj:none', []],
    ['in pages', '?limit=1&offset=1', ['b']],
  ])('are listed %s', async (_, search, ids) => {
    const { simulator } = await simulatorAt(NOON);
    simulator.addSlo({ ...slo, id: 'a' });
    simulator.addSlo({ ...slo, id: 'b', name: 'Login', tags: ['env:production', 'cuj:login'] });
    const { body } = await get(simulator, `/api/v1/slo${search}`);
    expect(body.data.map((one: { id: string }) => one.id)).toEqual(ids);
    expect(body.metadata.page.total_count).toBe(2);
  });

  it('are answered one by one, with the queries written out as recorded', async () => {
    const { simulator } = await simulatorAt(NOON);
    simulator.addSlo({ ...slo, id: 'a' });
    const { data } = (await get(simulator, '/api/v1/slo/a')).body;
    const [total, bad] = slo.sli_specification.count.queries.map(({ query }) => query);
    expect(data.query).toEqual({
      numerator: `${total} - ${bad}`,
      denominator: `(${total} - ${bad}) + (${bad})`,
    });
    expect(data).toMatchObject({
      type: 'metric',
      timeframe: '7d',
      target_threshold: 99.9,
      created_at: NOON / 1000,
    });
  });

  it.each([
    ['an unknown query name', { good_events_formula: { formula: 'total - slow' } }, /unknown query slow/],
    ['neither bad nor total events', { bad_events_formula: undefined }, /bad or total events are missing/],
    [
      'a query in a wrong language',
      { queries: slo.sli_specification.count.queries.map((one) => ({ ...one, query: 'sum:x' })) },
      /Error parsing/,
    ],
  ])('are refused with %s', async (_, change, reason) => {
    const { simulator } = await simulatorAt(NOON);
    const count = {
      ...slo.sli_specification.count,
      ...change,
    } as SloDefinition['sli_specification']['count'];
    expect(() => simulator.addSlo({ ...slo, sli_specification: { count } })).toThrow(reason);
  });
});
