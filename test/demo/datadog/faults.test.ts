import { afterEach, describe, expect, it } from 'vitest';
import type { Fault, MissingSeries } from '../../../src/demo/datadog/faults.ts';
import type { Simulator } from '../../../src/demo/datadog/simulator.ts';
import { ask, get, MINUTE, NOON, post, signup, simulatorAt, stopAll } from './fixture.ts';

afterEach(stopAll);

const hits = 'trace.http.request.hits';
const from = NOON - 10 * MINUTE;
const query = (name: string, text: string) => ({
  data_source: 'metrics',
  name,
  query: text,
  aggregator: 'sum',
});
const question = {
  from,
  to: NOON,
  queries: [
    query('total', `sum:${hits}{*} by {resource_name}.as_count()`),
    query('bad', `sum:${hits}{http.status_code:5*} by {resource_name}.as_count()`),
  ],
  formulas: [{ formula: 'total' }, { formula: 'bad' }],
};
const timeseries = { ...question, interval: MINUTE };

/** Endpoints a, b and c with 30, 20 and 10 requests in each of two minutes; one 5XX, on a. */
async function threeEndpoints(...faults: Fault[]) {
  const { simulator, clock } = await simulatorAt(NOON);
  [30, 20, 10].forEach((count, i) => {
    for (const at of [NOON - 5 * MINUTE, NOON - 4 * MINUTE]) {
      simulator.store.recordRequests({ ...signup, resource: `GET /${'abc'[i]}`, at, count });
    }
  });
  simulator.store.recordRequests({ ...signup, resource: 'GET /a', at: NOON - 4 * MINUTE, statusCode: 500 });
  simulator.faults.push(...faults);
  return { simulator, clock };
}

/** `<formula> <resource>` → values, in the order of the answer. */
async function rows(simulator: Simulator) {
  const { attributes } = await post(simulator, 'timeseries', timeseries);
  return attributes.series.map((series: { query_index: number; group_tags: string[] }, i: number) => [
    `${series.query_index} ${series.group_tags[0]!.slice('resource_name:get_'.length)}`,
    attributes.values[i],
  ]);
}

/** `<resource>` → values of the number columns, by name. */
async function scalars(simulator: Simulator) {
  const { attributes } = await post(simulator, 'scalar', question);
  const column = (name: string) =>
    attributes.columns.find((one: { name: string }) => one.name === name).values;
  return column('resource_name').map(([name]: [string], i: number) => [
    name,
    column('total')[i],
    column('bad')[i],
  ]);
}

const raw = (simulator: Simulator) =>
  fetch(`${simulator.url}/api/v2/query/timeseries`, {
    method: 'POST',
    body: JSON.stringify({ data: { type: 'timeseries_request', attributes: timeseries } }),
  });

describe('faults of the transport', () => {
  it.each([401, 403, 500, 502, 503])('answers %d once, then again as it should', async (status) => {
    const { simulator } = await threeEndpoints({ kind: 'status', status, times: 1 });
    const first = await post(simulator, 'timeseries', timeseries);
    expect(first.response.status).toBe(status);
    expect(first.errors).toHaveLength(1);
    expect((await post(simulator, 'timeseries', timeseries)).response.status).toBe(200);
    expect(simulator.calls.map((call) => call.status)).toEqual([status, 200]);
  });

  it('answers 429 with all five headers', async () => {
    const limits = { limit: 1600, periodSeconds: 3600, resetSeconds: 7, name: 'org' };
    const { simulator } = await threeEndpoints({ kind: 'rate_limited', limits });
    const { response, errors } = await post(simulator, 'timeseries', timeseries);
    expect(response.status).toBe(429);
    expect(errors).toHaveLength(1);
    const headers = ['limit', 'period', 'remaining', 'reset', 'name'].map((name) =>
      response.headers.get(`x-ratelimit-${name}`),
    );
    expect(headers).toEqual(['1600', '3600', '0', '7', 'org']);
  });

  it('counts X-RateLimit-Remaining down on good answers', async () => {
    const limits = { limit: 100, periodSeconds: 60, remaining: 1, resetSeconds: 9, name: 'q' };
    const { simulator } = await threeEndpoints({ kind: 'rate_limit_headers', limits });
    const answers = [await raw(simulator), await raw(simulator), await raw(simulator)];
    expect(answers.map((answer) => answer.headers.get('x-ratelimit-remaining'))).toEqual(['1', '0', '0']);
    expect(answers.every((answer) => answer.ok)).toBe(true);
  });

  it('enforces a quota by its own clock', async () => {
    const { simulator, clock } = await simulatorAt(NOON + 50_000, { quota: { limit: 2, periodSeconds: 60 } });
    const call = () => post(simulator, 'scalar', ask('sum:m{*}', from, NOON));
    const answers = [await call(), await call(), await call()];
    expect(answers.map(({ response }) => response.status)).toEqual([200, 200, 429]);
    const remaining = answers.map(({ response }) => response.headers.get('x-ratelimit-remaining'));
    expect(remaining).toEqual(['1', '0', '0']);
    expect(answers[2]!.response.headers.get('x-ratelimit-reset')).toBe('10');
    expect((await get(simulator, '/api/v1/validate')).status).toBe(200);
    clock.now += 10_000;
    expect((await call()).response.status).toBe(200);
  });

  it('hangs for as long as the caller waits', async () => {
    const { simulator } = await threeEndpoints({ kind: 'hang', times: 1 });
    const aborted = new AbortController();
    const waiting = fetch(`${simulator.url}/api/v1/validate`, { signal: aborted.signal });
    const outcome = expect(waiting).rejects.toThrow(/abort/);
    // Nobody gives up before the call was taken in; the next one shows that the server itself is alive.
    while (simulator.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await get(simulator, '/api/v1/validate')).status).toBe(200);
    aborted.abort();
    await outcome;
    expect(simulator.calls[0]!.status).toBeNull();
  });

  it('is slow, then right', async () => {
    const { simulator } = await threeEndpoints({ kind: 'slow', delayMs: 5 });
    expect(await rows(simulator)).toHaveLength(4);
  });

  it('resets the connection in the middle of a body', async () => {
    const { simulator } = await threeEndpoints({ kind: 'reset_mid_body' });
    await expect(raw(simulator).then((response) => response.text())).rejects.toThrow();
    expect(simulator.calls[0]!.status).toBe(200);
  });

  it.each([
    ['HTML', 'html', /^<!DOCTYPE html>/],
    ['cut-off JSON', 'cut_off', /^\{"data":.*[^}]$/],
    ['nothing', 'empty_body', /^$/],
  ] as const)('answers 200 with %s', async (_, kind, expected) => {
    const { simulator } = await threeEndpoints({ kind });
    const response = await raw(simulator);
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).toMatch(expected);
    expect(() => JSON.parse(text)).toThrow();
  });
});

describe('the Date of an answer', () => {
  const head = async (simulator: Simulator) => {
    const { headers } = await raw(simulator);
    return [headers.get('date'), headers.get('age')];
  };

  it('is that of its own clock', async () => {
    const { simulator } = await threeEndpoints();
    expect(await head(simulator)).toEqual(['Tue, 10 Mar 2026 12:00:00 GMT', null]);
  });

  it('can be wrong by so much', async () => {
    const { simulator } = await threeEndpoints({ kind: 'date_shifted', offsetMs: -6 * MINUTE });
    expect(await head(simulator)).toEqual(['Tue, 10 Mar 2026 11:54:00 GMT', null]);
  });

  it.each([
    [null, undefined, [null, null]],
    ['no date', 30, ['no date', '30']],
  ] as const)('can be %j, with the Age %s', async (date, ageSeconds, expected) => {
    const fault = { kind: 'date_replaced' as const, date };
    const { simulator } = await threeEndpoints(ageSeconds === undefined ? fault : { ...fault, ageSeconds });
    expect(await head(simulator)).toEqual(expected);
  });
});

describe('which calls a fault strikes', () => {
  it('strikes only its path', async () => {
    const { simulator } = await threeEndpoints({ kind: 'status', status: 500, path: '/api/v2/' });
    expect((await get(simulator, '/api/v1/validate')).status).toBe(200);
    expect((await raw(simulator)).status).toBe(500);
  });

  it('ends when it is taken away', async () => {
    const { simulator } = await threeEndpoints();
    const remove = simulator.faults.push({ kind: 'status', status: 500 });
    expect((await raw(simulator)).status).toBe(500);
    remove();
    expect((await raw(simulator)).status).toBe(200);
  });

  it('can be decided call by call', async () => {
    const { simulator } = await threeEndpoints();
    simulator.setFault(({ path }) =>
      path.endsWith('validate') ? { kind: 'status', status: 502 } : undefined,
    );
    expect((await get(simulator, '/api/v1/validate').catch(() => ({ status: 0 }))).status).toBe(502);
    expect((await raw(simulator)).status).toBe(200);
  });
});

describe('faults of the answer', () => {
  it('has a sound answer to spoil', async () => {
    const { simulator } = await threeEndpoints();
    expect(new Map(await rows(simulator))).toEqual(
      new Map([
        ['0 /a', [30, 31]],
        ['0 /b', [20, 20]],
        ['0 /c', [10, 10]],
        ['1 /a', [null, 1]],
      ]),
    );
  });

  it.each([
    ['puts "NaN" for a number', { kind: 'nan_strings' }, ['0 /a', ['NaN', 31]]],
    ['puts 1e999 for a number', { kind: 'infinite_values' }, ['0 /a', [Number.POSITIVE_INFINITY, 31]]],
    ['counts below zero', { kind: 'negative_counts' }, ['0 /a', [-31, 31]]],
    ['counts more bad events than total ones', { kind: 'more_bad_than_total' }, ['1 /b', [21, 21]]],
    [
      'answers a group that nobody asked for',
      { kind: 'unknown_groups' },
      [expect.stringContaining('asked_for_0'), expect.anything()],
    ],
    ['halves the newest minute', { kind: 'newest_minute_halved' }, ['0 /a', [30, 15]]],
  ] as const)('%s', async (_, fault, row) => {
    const { simulator } = await threeEndpoints(fault);
    expect(await rows(simulator)).toContainEqual(row);
  });

  it('lacks the newest minutes of everybody', async () => {
    const { simulator } = await threeEndpoints({ kind: 'newest_minutes_missing', minutes: 4 });
    expect(new Map(await rows(simulator))).toEqual(
      new Map([
        ['0 /a', [30]],
        ['0 /b', [20]],
        ['0 /c', [10]],
      ]),
    );
  });

  it('cuts groups off beyond the largest, silently', async () => {
    const { simulator } = await threeEndpoints({ kind: 'groups_cut_off', keep: 2 });
    expect((await rows(simulator)).map(([key]: [string]) => key).sort()).toEqual(['0 /a', '0 /b', '1 /a']);
  });

  it('loses one series', async () => {
    const { simulator } = await threeEndpoints({ kind: 'missing_series', match: 'get_/b' });
    expect((await rows(simulator)).map(([key]: [string]) => key).sort()).toEqual(['0 /a', '0 /c', '1 /a']);
  });

  it.each<[Partial<MissingSeries>, readonly string[]]>([
    [{ query: 1 }, ['0 /a', '0 /b', '0 /c']],
    [{ query: 'bad' }, ['0 /a', '0 /b', '0 /c']],
    [{ query: 'total', match: 'get_/c' }, ['0 /a', '0 /b', '1 /a']],
    [{ query: 'total', match: 'get_/c', nth: 7 }, ['0 /a', '0 /b', '1 /a']],
    [{ query: 'neither' }, ['0 /a', '0 /b', '0 /c', '1 /a']],
    [{ query: 'bad', points: 'older_half' }, ['0 /a', '0 /b', '0 /c']],
  ])('loses the series that %j names', async (which, left) => {
    const { simulator } = await threeEndpoints({ kind: 'missing_series', ...which });
    expect((await rows(simulator)).map(([key]: [string]) => key).sort()).toEqual(left);
  });

  it('loses each of the series in turn', async () => {
    const { simulator } = await threeEndpoints();
    const all = (await rows(simulator)).map(([key]: [string]) => key);
    for (let nth = 0; nth < 5; nth += 1) {
      simulator.setFault(() => ({ kind: 'missing_series', nth }));
      expect((await rows(simulator)).map(([key]: [string]) => key)).toEqual(
        all.filter((_: string, i: number) => i !== nth % 4),
      );
    }
  });

  it.each([
    ['oldest', [null, 30]],
    ['newest', [30, null]],
    ['older_half', [null, 30]],
    ['newer_half', [30, null]],
    ['every_second', [null, 30]],
  ] as const)('loses some points of a series: %s', async (points, values) => {
    const { simulator } = await threeEndpoints({ kind: 'missing_series', query: 0, match: 'get_/b', points });
    const counts = values.map((value) => value && 20);
    expect(await rows(simulator)).toContainEqual(['0 /b', counts]);
  });

  it('answers in points of a coarser grid', async () => {
    const { simulator } = await threeEndpoints({ kind: 'coarse_points', everyMs: 5 * MINUTE });
    const { attributes } = await post(simulator, 'timeseries', timeseries);
    expect(attributes.times).toEqual([NOON - 5 * MINUTE]);
    expect(await rows(simulator)).toContainEqual(['0 /b', [40]]);
    expect(await rows(simulator)).toContainEqual(['1 /a', [1]]);
  });

  it('answers a group twice', async () => {
    const { simulator } = await threeEndpoints({ kind: 'duplicated_groups' });
    const keys = (await rows(simulator)).map(([key]: [string]) => key);
    expect(keys).toHaveLength(5);
    expect(new Set(keys).size).toBe(4);
  });

  it('reorders series across formulas', async () => {
    const { simulator } = await threeEndpoints();
    const sound = await rows(simulator);
    simulator.faults.push({ kind: 'reordered' });
    expect(await rows(simulator)).toEqual([...sound].reverse());
  });

  it('answers times off the grid', async () => {
    const { simulator } = await threeEndpoints({ kind: 'misaligned_times' });
    const { attributes } = await post(simulator, 'timeseries', timeseries);
    expect(attributes.times.map((time: number) => time % MINUTE)).toEqual([7_000, 7_000]);
  });

  it.each([
    ['counts more bad events than total ones', { kind: 'more_bad_than_total' }, ['get_/b', 40, 41]],
    ['puts "NaN" for a number', { kind: 'nan_strings' }, ['get_/b', 'NaN', null]],
    ['counts below zero', { kind: 'negative_counts' }, ['get_/b', -41, null]],
    [
      'answers a group that nobody asked for',
      { kind: 'unknown_groups' },
      ['nobody_asked_for_0', expect.anything(), null],
    ],
  ] as const)('%s in scalar answers as well', async (_, fault, row) => {
    const { simulator } = await threeEndpoints(fault);
    expect(await scalars(simulator)).toContainEqual(row);
  });

  it('reorders the columns of scalar answers, numbers first', async () => {
    const { simulator } = await threeEndpoints({ kind: 'reordered' });
    const { attributes } = await post(simulator, 'scalar', question);
    expect(attributes.columns.map((one: { name: string }) => one.name)).toEqual([
      'bad',
      'total',
      'resource_name',
    ]);
  });

  it('drops groups of scalar answers from every column alike', async () => {
    const { simulator } = await threeEndpoints({ kind: 'groups_cut_off', keep: 1 });
    expect(await scalars(simulator)).toEqual([['get_/a', 61, 1]]);
  });

  it.each([
    [[{ kind: 'nan_strings' }, { kind: 'negative_counts' }], 'NaN'],
    [[{ kind: 'infinite_values' }, { kind: 'negative_counts' }], Number.POSITIVE_INFINITY],
    [[{ kind: 'negative_counts' }, { kind: 'negative_counts' }], -11],
  ] as const)('never fixes or hides one fault by another: %j', async (faults, first) => {
    const { simulator } = await threeEndpoints(...faults);
    expect((await rows(simulator))[1]?.[1][0]).toBe(first);
  });

  it('can strike one call with two faults', async () => {
    const { simulator } = await threeEndpoints(
      { kind: 'negative_counts' },
      { kind: 'groups_cut_off', keep: 3 },
    );
    expect(await rows(simulator)).toContainEqual(['0 /b', [-21, 20]]);
  });
});
