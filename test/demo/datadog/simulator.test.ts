import { afterEach, describe, expect, it } from 'vitest';
import { ask, get, MINUTE, NOON, post, signup, simulatorAt, stopAll } from './fixture.ts';

afterEach(stopAll);

const hits = 'trace.http.request.hits';
const from = NOON - 60 * MINUTE;

async function twoEndpoints() {
  const { simulator, clock } = await simulatorAt(NOON);
  const { store } = simulator;
  store.recordRequests({ ...signup, at: NOON - 10 * MINUTE, count: 100 });
  store.recordRequests({ ...signup, at: NOON - 8 * MINUTE, count: 50 });
  store.recordRequests({ ...signup, at: NOON - 8 * MINUTE, count: 2, statusCode: 500 });
  store.recordRequests({ ...signup, at: NOON - 5 * MINUTE, count: 7, resource: 'GET /api/v1/me' });
  return { simulator, clock };
}

const twoQueries = {
  from,
  to: NOON,
  queries: [
    {
      data_source: 'metrics',
      name: 'total',
      aggregator: 'sum',
      query: `sum:${hits}{*} by {service,resource_name}.as_count()`,
    },
    {
      data_source: 'metrics',
      name: 'bad',
      aggregator: 'sum',
      query: `sum:${hits}{http.status_code:5*} by {service,resource_name}.as_count()`,
    },
  ],
  formulas: [{ formula: 'total' }, { formula: 'bad' }],
};

describe('POST /api/v2/query/timeseries', () => {
  it('answers sparse series: only times with data, null where a series has none', async () => {
    const { simulator } = await twoEndpoints();
    const { response, body } = await post(simulator, 'timeseries', { ...twoQueries, interval: MINUTE });
    expect(response.headers.get('content-type')).toBe('application/vnd.api+json');
    expect(body.data).toMatchObject({ id: '0', type: 'timeseries_response' });
    const { series, times, values } = body.data.attributes;
    expect(times).toEqual([NOON - 10 * MINUTE, NOON - 8 * MINUTE, NOON - 5 * MINUTE]);
    const rows = series.map((one: { group_tags: string[]; query_index: number }, i: number) => [
      one.query_index,
      one.group_tags.join(),
      values[i],
    ]);
    expect(rows).toHaveLength(3);
    expect(rows).toEqual(
      expect.arrayContaining([
        [0, 'service:member-api,resource_name:post_/api/v1/signup', [100, 52, null]],
        [0, 'service:member-api,resource_name:get_/api/v1/me', [null, null, 7]],
        [1, 'service:member-api,resource_name:post_/api/v1/signup', [null, 2, null]],
      ]),
    );
  });

  it('does not answer the groups in the order of the request', async () => {
    const { simulator } = await simulatorAt(NOON);
    const resources = Array.from({ length: 12 }, (_, i) => `GET /r/${String(i).padStart(2, '0')}`);
    for (const resource of resources)
      simulator.store.recordRequests({ ...signup, resource, at: NOON - 5 * MINUTE });
    const question = ask(`sum:${hits}{*} by {resource_name}.as_count()`, from, NOON, { interval: MINUTE });
    const answers = [
      await post(simulator, 'timeseries', question),
      await post(simulator, 'timeseries', question),
    ];
    const [first, second] = answers.map(({ attributes }) =>
      attributes.series.map((series: { group_tags: string[] }) => series.group_tags[0]),
    );
    expect(first).toEqual(second);
    expect(first).not.toEqual([...first].sort());
    expect(first).not.toEqual([...first].sort().reverse());
  });

  it('answers a question that matches nothing with no series', async () => {
    const { simulator } = await twoEndpoints();
    const { attributes } = await post(
      simulator,
      'timeseries',
      ask(`sum:${hits}{env:nowhere}.as_count()`, from, NOON),
    );
    expect(attributes).toEqual({ series: [], times: [], values: [] });
  });

  it('takes seconds for a range in 1970, where nothing is', async () => {
    const { simulator } = await twoEndpoints();
    const question = ask(`sum:${hits}{*}.as_count()`, from / 1000, NOON / 1000);
    const { response, attributes } = await post(simulator, 'timeseries', question);
    expect(response.status).toBe(200);
    expect(attributes.times).toEqual([]);
  });

  it('refuses that range where retention is enforced, as recorded', async () => {
    const { simulator } = await simulatorAt(NOON, { retentionMs: 450 * 24 * 60 * MINUTE });
    const question = ask(`sum:${hits}{*}.as_count()`, from / 1000, NOON / 1000);
    const { response, errors } = await post(simulator, 'timeseries', question);
    expect(response.status).toBe(400);
    expect(errors).toEqual(['Queries ending outside the retention date are invalid']);
  });

  it('joins groups in a formula and drops those that one side lacks', async () => {
    const { simulator } = await twoEndpoints();
    const question = { ...twoQueries, interval: MINUTE, formulas: [{ formula: 'total - bad' }] };
    const { attributes } = await post(simulator, 'timeseries', question);
    expect(attributes.values).toEqual([[50]]);
    expect(attributes.times).toEqual([NOON - 8 * MINUTE]);
  });

  it('keeps the largest groups where the formula has a limit', async () => {
    const { simulator } = await twoEndpoints();
    const formulas = [{ formula: 'total', limit: { count: 1, order: 'desc' } }];
    const { attributes } = await post(simulator, 'timeseries', { ...twoQueries, interval: MINUTE, formulas });
    expect(attributes.series.map((one: { group_tags: string[] }) => one.group_tags[1])).toEqual([
      'resource_name:post_/api/v1/signup',
    ]);
  });

  it('widens an interval that would make more than 1,500 points', async () => {
    const { simulator } = await twoEndpoints();
    const day = ask(`sum:${hits}{*}.as_count()`, NOON - 48 * 60 * MINUTE, NOON, { interval: MINUTE });
    const { attributes } = await post(simulator, 'timeseries', day);
    expect(attributes.times).toEqual([NOON - 10 * MINUTE]);
    expect(attributes.values).toEqual([[159]]);
  });
});

describe('POST /api/v2/query/scalar', () => {
  it('answers a column per tag key and a column per formula, null where a formula lacks a group', async () => {
    const { simulator } = await twoEndpoints();
    const { attributes } = await post(simulator, 'scalar', twoQueries);
    const [service, resource, total, bad] = attributes.columns;
    expect(attributes.columns.map((one: { name: string; type: string }) => [one.name, one.type])).toEqual([
      ['service', 'group'],
      ['resource_name', 'group'],
      ['total', 'number'],
      ['bad', 'number'],
    ]);
    expect(service.values).toEqual([['member-api'], ['member-api']]);
    const at = resource.values.findIndex(([name]: [string]) => name === 'post_/api/v1/signup');
    expect(total.values[at]).toBe(152);
    expect(bad.values[at]).toBe(2);
    expect(total.values[1 - at]).toBe(7);
    expect(bad.values[1 - at]).toBeNull();
    expect(total.meta).toEqual({ unit: null });
  });

  it('answers without groups one number a formula, as recorded', async () => {
    const { simulator } = await twoEndpoints();
    const { body } = await post(simulator, 'scalar', ask(`sum:${hits}{*}.as_count()`, from, NOON));
    expect(body.data.type).toBe('scalar_response');
    expect(body.data.attributes).toEqual({
      columns: [{ name: 'a', type: 'number', values: [159], meta: { unit: null } }],
    });
  });

  it('answers a grouped question that matches nothing without any group column, as recorded', async () => {
    const { simulator } = await twoEndpoints();
    const text = `sum:${hits}{env:nowhere} by {resource_name}.as_count()`;
    const { response, body } = await post(simulator, 'scalar', ask(text, from, NOON));
    expect(response.status).toBe(200);
    expect(body.data).toEqual({
      id: '0',
      type: 'scalar_response',
      attributes: { columns: [{ name: 'a', type: 'number', values: [], meta: { unit: null } }] },
    });
  });

  it.each([
    ['sum', 159],
    ['last', 7],
    ['avg', 53],
    ['max', 100],
  ])('reduces the series by %s', async (aggregator, expected) => {
    const { simulator } = await twoEndpoints();
    const question = ask(`sum:${hits}{*}.as_count()`, from, NOON);
    const queries = question.queries.map((query) => ({ ...query, aggregator }));
    const { attributes } = await post(simulator, 'scalar', { ...question, queries });
    expect(attributes.columns[0].values).toEqual([expected]);
  });

  it('adds up rates where as_count is missing, which is no count of anything', async () => {
    const { simulator } = await twoEndpoints();
    const { attributes } = await post(simulator, 'scalar', ask(`sum:${hits}{*}`, from, NOON));
    expect(attributes.columns[0].values[0]).toBeCloseTo(159 / 20);
  });

  it('gives durations the unit second, and counts of them none', async () => {
    const { simulator } = await twoEndpoints();
    const duration = await post(simulator, 'scalar', ask('max:trace.http.request{*}', from, NOON));
    expect(duration.attributes.columns[0].meta.unit).toMatchObject([{ name: 'second' }, null]);
    const count = await post(simulator, 'scalar', ask('count:trace.http.request{*}.as_count()', from, NOON));
    expect(count.attributes.columns[0]).toMatchObject({ values: [159], meta: { unit: null } });
  });
});

describe('bodies that Datadog refuses', () => {
  const good = { ...ask(`sum:${hits}{*}.as_count()`, from, NOON) };
  const query = good.queries[0]!;
  it.each([
    ['a time that is no integer', { ...good, from: from + 0.5 }, /from must be an integer/],
    ['a time that is text', { ...good, to: 'now' }, /to must be an integer/],
    ['an empty range', { ...good, from: NOON }, /must be before/],
    ['no queries', { ...good, queries: [] }, /queries must not be empty/],
    [
      'an unknown data source',
      { ...good, queries: [{ ...query, data_source: 'spans' }] },
      /data_source "spans"/,
    ],
    ['an unknown query name', { ...good, formulas: [{ formula: 'b' }] }, /unknown query "b"/],
    ['an unknown name inside arithmetic', { ...good, formulas: [{ formula: 'a + b' }] }, /unknown query "b"/],
    ['two queries of one name', { ...good, queries: [query, query] }, /unique/],
    [
      'a query without a name',
      { ...good, queries: [{ ...query, name: undefined }] },
      /name must be a string/,
    ],
    [
      'a query in a wrong language',
      { ...good, queries: [{ ...query, query: 'select 1' }] },
      /Error parsing query/,
    ],
    [
      'an unknown order',
      { ...good, formulas: [{ formula: 'a', limit: { count: 1, order: 'up' } }] },
      /limit.order/,
    ],
    ['a formula without a query', { ...good, formulas: [{ formula: '1 + 1' }] }, /refers to no query/],
  ])('answers %s with 400', async (_, attributes, reason) => {
    const { simulator } = await simulatorAt(NOON);
    for (const kind of ['timeseries', 'scalar'] as const) {
      const { response, errors } = await post(simulator, kind, attributes);
      expect(response.status).toBe(400);
      expect(errors[0]).toMatch(reason);
    }
  });

  it.each([
    [
      'a scalar query without an aggregator',
      'scalar',
      { queries: [{ ...query, aggregator: undefined }] },
      /aggregator/,
    ],
    [
      'an unknown aggregator',
      'scalar',
      { queries: [{ ...query, aggregator: 'total' }] },
      /"total" is none of/,
    ],
    ['an interval of zero', 'timeseries', { interval: 0 }, /interval must be/],
  ] as const)('answers %s with 400', async (_, kind, change, reason) => {
    const { simulator } = await simulatorAt(NOON);
    const { response, errors } = await post(simulator, kind, { ...good, ...change });
    expect(response.status).toBe(400);
    expect(errors[0]).toMatch(reason);
  });

  it('answers a wrong type in the recorded words', async () => {
    const { simulator } = await simulatorAt(NOON);
    const body = JSON.stringify({ data: { type: 'timeseries_rquest', attributes: good } });
    const response = await fetch(`${simulator.url}/api/v2/query/timeseries`, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      errors: ['API input validation failed: Invalid type. Expected "timeseries_request".'],
    });
  });
});

describe('keys', () => {
  const keys = { apiKey: 'api', applicationKey: 'app' };
  const both = { 'DD-API-KEY': 'api', 'DD-APPLICATION-KEY': 'app' };
  it.each([
    ['both keys', '/api/v1/metrics?from=0', both, 200, undefined],
    ['no keys', '/api/v1/metrics?from=0', {}, 403, ['Forbidden']],
    ['no application key', '/api/v1/metrics?from=0', { 'DD-API-KEY': 'api' }, 403, ['Forbidden']],
    [
      'a wrong application key',
      '/api/v1/metrics?from=0',
      { ...both, 'DD-APPLICATION-KEY': 'x' },
      403,
      ['Forbidden'],
    ],
    ['validate with the API key alone', '/api/v1/validate', { 'DD-API-KEY': 'api' }, 200, undefined],
    ['validate with a wrong API key', '/api/v1/validate', { 'DD-API-KEY': 'x' }, 403, ['Forbidden']],
    ['validate without a key', '/api/v1/validate', {}, 403, ['API key required']],
  ])('answers %s', async (_, path, headers, status, errors) => {
    const { simulator } = await simulatorAt(NOON, keys);
    const answer = await get(simulator, path, headers as Record<string, string>);
    expect(answer.status).toBe(status);
    expect(answer.body.errors).toEqual(errors);
  });
});

describe('GET /api/v1/query', () => {
  const ask1 = (query: string) =>
    `/api/v1/query?from=${from / 1000}&to=${NOON / 1000}&query=${encodeURIComponent(query)}`;

  it('answers in the recorded shape', async () => {
    const { simulator } = await twoEndpoints();
    const { body } = await get(simulator, ask1(`sum:${hits}{env:production} by {resource_name}.as_count()`));
    expect(body).toMatchObject({ status: 'ok', res_type: 'time_series', from_date: from, to_date: NOON });
    expect(body.group_by).toEqual(['resource_name']);
    const me = body.series.find(
      (one: { tag_set: string[] }) => one.tag_set[0] === 'resource_name:get_/api/v1/me',
    );
    expect(me).toMatchObject({
      metric: hits,
      aggr: 'sum',
      interval: 20,
      length: 1,
      start: NOON - 5 * MINUTE,
      end: NOON - 5 * MINUTE + 19_000,
      scope: 'resource_name:get_/api/v1/me,env:production',
      pointlist: [[NOON - 5 * MINUTE, 7]],
    });
  });

  it('calculates', async () => {
    const { simulator } = await twoEndpoints();
    const ratio = `100 * sum:${hits}{http.status_code:5*}.as_count() / sum:${hits}{*}.as_count()`;
    const { body } = await get(simulator, ask1(ratio));
    expect(body.series[0].pointlist).toEqual([[NOON - 8 * MINUTE, 200 / 52]]);
  });

  it('takes default_zero to mean zero at times where only the other side has data', async () => {
    const { simulator } = await twoEndpoints();
    const ratio = `default_zero(sum:${hits}{http.status_code:5*}.as_count()) / sum:${hits}{*}.as_count()`;
    const { body } = await get(simulator, ask1(ratio));
    expect(body.series[0].pointlist.map(([, value]: [number, number]) => value)).toEqual([0, 2 / 52, 0]);
  });

  it('answers nothing for default_zero of what has no points at all', async () => {
    const { simulator } = await twoEndpoints();
    const { body } = await get(simulator, ask1(`default_zero(sum:${hits}{env:nowhere}.as_count())`));
    expect(body.series).toEqual([]);
  });

  it.each([
    ['no query', `/api/v1/query?from=1&to=2`, /query is required/],
    ['no times', '/api/v1/query?query=x', /from must be/],
    ['a wrong query', ask1('sum:x'), /Error parsing/],
    [
      'groups that do not fit',
      ask1(`sum:${hits}{*} by {env}.as_count() / sum:${hits}{*} by {host}.as_count()`),
      /combine/,
    ],
  ])('refuses %s', async (_, path, reason) => {
    const { simulator } = await twoEndpoints();
    const { status, body } = await get(simulator, path);
    expect(status).toBe(400);
    expect(body.errors[0]).toMatch(reason);
  });
});

describe('what is there', () => {
  it('lists metrics active since a time', async () => {
    const { simulator } = await twoEndpoints();
    simulator.store.addCount('istio.mesh.request.count', NOON - 50 * MINUTE, 3, { response_code: '200' });
    const recent = await get(simulator, `/api/v1/metrics?from=${(NOON - 9 * MINUTE) / 1000}`);
    expect(recent.body.metrics).toEqual([
      'trace.http.request',
      'trace.http.request.errors',
      'trace.http.request.hits',
      'trace.http.request.hits.by_http_status',
    ]);
    const all = await get(simulator, `/api/v1/metrics?from=${from / 1000}`);
    expect(all.body.metrics).toContain('istio.mesh.request.count');
  });

  it('lists the tags of a metric and refuses one it does not know', async () => {
    const { simulator } = await twoEndpoints();
    const { body } = await get(simulator, `/api/v2/metrics/${hits}/all-tags`);
    expect(body.data).toMatchObject({ id: hits, type: 'metrics' });
    expect(body.data.attributes.tags).toEqual(
      expect.arrayContaining(['env:production', 'resource_name:get_/api/v1/me', 'version:v1.41.0']),
    );
    expect((await get(simulator, '/api/v2/metrics/nothing/all-tags')).status).toBe(404);
  });

  it('tells a count from a distribution', async () => {
    const { simulator } = await twoEndpoints();
    expect((await get(simulator, `/api/v1/metrics/${hits}`)).body).toMatchObject({
      type: 'count',
      unit: null,
    });
    const latency = await get(simulator, '/api/v1/metrics/trace.http.request');
    expect(latency.body).toMatchObject({ type: 'distribution', unit: 'second' });
  });

  it('keeps a record of every call', async () => {
    const { simulator, clock } = await twoEndpoints();
    clock.now += 1234;
    await get(simulator, '/api/v1/validate?x=1', { 'DD-API-KEY': 'k' });
    await post(simulator, 'scalar', { from: 1 });
    expect(simulator.calls).toMatchObject([
      { at: NOON + 1234, method: 'GET', path: '/api/v1/validate', status: 200, body: null },
      {
        method: 'POST',
        path: '/api/v2/query/scalar',
        status: 400,
        body: { data: { attributes: { from: 1 } } },
      },
    ]);
    expect(simulator.calls[0]!.headers['dd-api-key']).toBe('k');
    expect(simulator.calls[0]!.search.get('x')).toBe('1');
  });

  it('answers a path it does not know with 404', async () => {
    const { simulator } = await twoEndpoints();
    expect(await get(simulator, '/api/v3/query')).toMatchObject({
      status: 404,
      body: { errors: ['Not found: GET /api/v3/query'] },
    });
  });
});
