import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { SourceError } from '../../../src/domain/errors.ts';
import type { BatchQuery, MetricsSource, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { DatadogConnection, type DatadogOptions } from '../../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../../src/sources/datadog/api/source.ts';
import { breakOff, hang, Loopback, type Received, recording, replay, respond } from './loopback.ts';
import { answer, type Facts, from, query, scoped, soundFacts, to } from './synthetic.ts';

const apiKey = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
const appKey = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c';
const never = new AbortController().signal;
const login = [scoped('api', ['get_/me', 'post_/login'])];
const loopback = new Loopback();
const connections: DatadogConnection[] = [];

beforeAll(() => loopback.listen());
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await loopback.close();
});
beforeEach(() => {
  loopback.requests.length = 0;
});

async function connect(options: Partial<DatadogOptions> = {}): Promise<MetricsSource> {
  const connection = new DatadogConnection({
    apiKey,
    appKey,
    url: loopback.url,
    clock: { sleep: async () => {}, random: () => 0 },
    ...options,
  });
  connections.push(connection);
  return createDatadogSource(connection);
}

function factsReply(facts: Facts, spoil: (body: ReturnType<typeof answer>) => unknown = (body) => body) {
  return (response: Parameters<typeof hang>[0], request: Received) =>
    respond(200, spoil(answer(request.body, facts)))(response, request);
}

async function failure(asked: Promise<unknown>): Promise<SourceError> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toHaveProperty('name', 'SourceError');
  return error as SourceError;
}

function counts(snapshot: Snapshot, side: 'canary' | 'stable', resource: string): unknown {
  const series = snapshot.services.get('api')?.[side].requests.get(resource);
  return series && { total: [...series.total], bad: [...series.bad] };
}

describe('what is asked', () => {
  it('is one call in milliseconds at whole minutes, each query with its own formula, with both keys', async () => {
    loopback.reply(factsReply(soundFacts));
    await (await connect()).measure(query(login), never);
    expect(loopback.requests).toHaveLength(1);
    const [request] = loopback.requests as [Received];
    expect(request).toMatchObject({
      method: 'POST',
      path: '/api/v2/query/timeseries',
      headers: {
        'dd-api-key': apiKey,
        'dd-application-key': appKey,
        'content-type': 'application/json',
        accept: 'application/json',
      },
    });
    const { data } = JSON.parse(request.body);
    expect(data.type).toBe('timeseries_request');
    expect(data.attributes).toMatchObject({ from, to, interval: 60_000 });
    const { queries, formulas } = data.attributes;
    expect(formulas).toEqual(queries.map(({ name }: { name: string }) => ({ formula: name })));
    expect(queries[0]).toEqual({
      data_source: 'metrics',
      name: 'c_hits_0',
      query:
        'sum:trace.http.request.hits{env:production AND service:api AND version:v2 AND resource_name IN (get_/me,post_/login)} by {service,resource_name}.as_count()',
    });
  });

  it('is asked in buckets of 10 s where the question says so, and may end inside a minute', async () => {
    loopback.reply((response, request) => respond(200, answer(request.body, {}, 10_000))(response, request));
    const recent = query(login, { stepMs: 10_000, toMs: to - 20_000 });
    const snapshot = await (await connect()).measure(recent, never);
    const { attributes } = JSON.parse(loopback.requests[0]?.body ?? '').data;
    expect(attributes).toMatchObject({ from, to: to - 20_000, interval: 10_000 });
    expect(snapshot).toMatchObject({ fromMs: from, toMs: to - 20_000, stepMs: 10_000 });
  });

  it('goes below the path of a proxy', async () => {
    loopback.reply(factsReply(soundFacts));
    await (await connect({ url: `${loopback.url}/datadog/` })).measure(query(login), never);
    expect(loopback.requests[0]?.path).toBe('/datadog/api/v2/query/timeseries');
  });
});

describe('what is made of it', () => {
  it('joins hits and 5XX by group, with no bad events where only hits are there', async () => {
    loopback.reply(factsReply(soundFacts));
    const snapshot = await (await connect()).measure(query(login), never);
    expect(counts(snapshot, 'canary', 'post_/login')).toEqual({ total: [10, 20, 0, 5], bad: [0, 3, 0, 0] });
    expect(counts(snapshot, 'canary', 'get_/me')).toEqual({ total: [1, 0, 0, 2], bad: [0, 0, 0, 0] });
    expect([...(snapshot.services.get('api')?.stable.whole?.total ?? [])]).toEqual([120, 110, 130, 125]);
    expect(snapshot).toMatchObject({ fromMs: from, toMs: to });
    expect(snapshot.queries.map(({ name }) => name)).toContain('s_check_bad_0');
  });

  it('drops the bucket that begins at the end of the span, which Datadog hands out unfinished', async () => {
    loopback.reply(
      factsReply(soundFacts, (body) => {
        body.data.attributes.times.push(to);
        for (const values of body.data.attributes.values) values.push(1_000_000);
        return body;
      }),
    );
    const snapshot = await (await connect()).measure(query(login), never);
    expect(counts(snapshot, 'canary', 'post_/login')).toEqual({ total: [10, 20, 0, 5], bad: [0, 3, 0, 0] });
  });

  it('has no series at all where nothing matched, which is not zero', async () => {
    loopback.reply(factsReply({}));
    const snapshot = await (await connect()).measure(query(login), never);
    expect(snapshot.services.get('api')?.canary).toEqual({
      whole: undefined,
      requests: new Map(),
      latency: new Map(),
    });
  });

  it('reads sparse times, as the recording has them, into the minutes they belong to', async () => {
    const [exchange] = recording('v2-timeseries-200.json');
    const recorded = (exchange as { response: { body: unknown } }).response.body as ReturnType<typeof answer>;
    const shift = from - Math.min(...recorded.data.attributes.times);
    loopback.reply((response, request) => {
      const body = structuredClone(recorded);
      body.data.attributes.times = body.data.attributes.times.map((time) => time + shift);
      const { queries } = JSON.parse(request.body).data.attributes;
      const index = queries.findIndex(({ name }: { name: string }) => name === 'c_all_hits_0');
      const [series] = body.data.attributes.series;
      Object.assign(series as object, { group_tags: ['service:api'], query_index: index });
      const rest = queries.findIndex(({ name }: { name: string }) => name === 'c_all_not_bad_0');
      body.data.attributes.series.push({ ...series, query_index: rest });
      body.data.attributes.values.push(body.data.attributes.values[0] as unknown[]);
      replay({
        ...(exchange as never as Parameters<typeof replay>[0]),
        response: {
          status: 200,
          headers: { 'content-type': 'application/vnd.api+json' },
          body,
        },
      })(response, request);
    });
    const hour: BatchQuery = query([scoped('api', [])], { toMs: from + 3_600_000 });
    const whole = (await (await connect()).measure(hour, never)).services.get('api')?.canary.whole;
    expect(whole?.total).toHaveLength(60);
    expect([whole?.total[0], whole?.total[1], whole?.total[43], whole?.total[2]]).toEqual([1, 1, 87, 0]);
  });
});

describe('what Datadog refuses', () => {
  it.each([
    ['v2-timeseries-400.json', 400, 'Expected "timeseries_request"'],
    ['v1-validate-403.json', 403, 'API key required'],
  ])('says so in its own words and is never asked again: %s', async (file, status, words) => {
    loopback.reply(replay(recording(file)[0] as Parameters<typeof replay>[0]));
    const error = await failure((await connect()).measure(query(login), never));
    expect(error).toMatchObject({ code: 'source_rejected' });
    expect(error.message).toContain(String(status));
    expect(error.message).toContain(words);
    expect(loopback.requests).toHaveLength(1);
  });

  it.each([
    ['401 without a body', respond(401, ''), 'DD_SITE'],
    [
      'JSON:API error objects',
      respond(400, { errors: [{ title: 'Bad', detail: 'unknown metric' }] }),
      'GET /cujs',
    ],
    ['a 404 page', respond(404, '<html><body>not here</body></html>'), 'DD_URL'],
    ['a redirect to a login page', respond(302, '', { location: '/login' }), 'DD_URL'],
  ])('is a rejection with what to do: %s', async (_, reply, hint) => {
    loopback.reply(reply);
    const error = await failure((await connect()).measure(query(login), never));
    expect(error.code).toBe('source_rejected');
    expect(error.hint).toContain(hint);
    expect(loopback.requests).toHaveLength(1);
  });

  it('never shows a key, even where the answer echoes it, and quotes at most 200 characters', async () => {
    const text = `bad key ${apiKey} or ${appKey} or ${'f'.repeat(32)} ${'long '.repeat(200)}`;
    loopback.reply(respond(403, { errors: [text] }));
    const error = await failure((await connect()).measure(query(login), never));
    for (const secret of [apiKey, appKey, 'f'.repeat(32)]) {
      expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain(secret);
    }
    expect(error.message.length).toBeLessThan(230);
  });
});

describe('a key that comes back in a 200', () => {
  const foreign = 'f'.repeat(32);
  const echoed = `${apiKey} ${appKey} ${foreign}`;
  it.each([
    ['errors', respond(200, { errors: [`bad keys ${echoed}`] })],
    ['an error', respond(200, { error: `${'x'.repeat(90)} ${echoed}`, data: {} })],
    [
      'a status',
      respond(200, {
        data: {
          type: 'timeseries_response',
          attributes: { status: echoed.toUpperCase(), series: [], times: [], values: [] },
        },
      }),
    ],
    ['a page', respond(200, `<html>${echoed}</html>`)],
  ])('in %s is not shown', async (_, reply) => {
    loopback.reply(reply);
    const error = await failure((await connect()).measure(query(login), never));
    expect(error.code).toBe('source_malformed');
    for (const secret of [apiKey, appKey, foreign]) {
      for (const part of [secret, secret.slice(0, 20)]) {
        expect(`${error.message} ${error.hint} ${error.stack}`.toLowerCase()).not.toContain(part);
      }
    }
  });

  it('in a group tag is not shown', async () => {
    loopback.reply(
      factsReply(soundFacts, (body) => {
        body.data.attributes.series[0]!.group_tags = [`service:${apiKey}`, `resource_name:${foreign}\u202e`];
        return body;
      }),
    );
    const error = await failure((await connect()).measure(query(login), never));
    expect(error.message).toMatch(/service/);
    expect(error.message).not.toMatch(new RegExp(`${apiKey}|${foreign}|\u202e`));
  });
});

describe('what cannot be trusted', () => {
  it.each([
    ['a page of HTML with status 200', respond(200, '<html>hello</html>', { 'content-type': 'text/html' })],
    ['JSON that was cut off', respond(200, '{"data":{"type":"timeseries_response","attr')],
    ['an empty body', respond(200, '')],
    ['an empty object', respond(200, {})],
    ['null', respond(200, 'null')],
    [
      'an errors member beside data',
      factsReply(soundFacts, (body) => ({ ...body, errors: 'partial result' })),
    ],
    ['a list of errors', respond(200, { errors: ['boom'] })],
    [
      'a status that says error',
      respond(200, { status: 'error', ...answer('{"data":{"attributes":{"queries":[]}}}', {}) }),
    ],
    ['no series', spoilAttributes((attributes) => delete (attributes as { series?: unknown }).series)],
    ['no times', spoilAttributes((attributes) => delete (attributes as { times?: unknown }).times)],
    ['values of null', spoilAttributes((attributes) => Object.assign(attributes, { values: null }))],
    ['another type', factsReply(soundFacts, (body) => ({ data: { ...body.data, type: 'scalar_response' } }))],
  ])('is asked for again, and then said to be malformed: %s', async (_, reply) => {
    loopback.reply(reply);
    expect(await failure((await connect()).measure(query(login), never))).toMatchObject({
      code: 'source_malformed',
    });
    expect(loopback.requests).toHaveLength(3);
  });

  it.each([
    ['fewer lists than series', ({ values }) => values.pop(), 'stand beside'],
    ['a list shorter than times', ({ values }) => values[0]?.pop(), '3 values for 4 times'],
    ['times out of order', ({ times }) => times.reverse(), 'does not come after'],
    ['a time twice', ({ times }) => times.splice(1, 1, times[0] as number), 'does not come after'],
    [
      'seconds for milliseconds',
      ({ times }) =>
        times.forEach((t, i) => {
          times[i] = t / 1000;
        }),
      'lies before',
    ],
    [
      'a time inside a minute',
      ({ times }) => {
        times[1] = (times[1] as number) + 10_000;
      },
      'not at a multiple of 60 s',
    ],
    [
      'a fraction of a millisecond',
      ({ times }) => {
        times[1] = (times[1] as number) + 0.5;
      },
      'whole number',
    ],
    [
      'a time before the span',
      ({ times }) => {
        times[0] = from - 60_000;
      },
      'before the span',
    ],
    [
      'a query that was not asked',
      ({ series }) => {
        series[0]!.query_index = 99;
      },
      'belongs to query 99',
    ],
    [
      'no query',
      ({ series }) => {
        delete series[0]!.query_index;
      },
      'belongs to query undefined',
    ],
    [
      'a group without its tags',
      ({ series }) => {
        series[0]!.group_tags = [];
      },
      'groups by service, resource_name',
    ],
    [
      'a tag that nobody asked for',
      ({ series }) => {
        (series[0]!.group_tags as string[]).push('env:production');
      },
      'groups by',
    ],
    [
      'a tag without a key',
      ({ series }) => {
        series[0]!.group_tags = ['api', 'x'];
      },
      'not key:value',
    ],
    [
      'another service',
      ({ series }) => {
        (series[0]!.group_tags as string[])[0] = 'service:other';
      },
      'filter excludes',
    ],
    [
      'another resource',
      ({ series }) => {
        (series[0]!.group_tags as string[])[1] = 'resource_name:get_/other';
      },
      'filter excludes',
    ],
    [
      'one group twice',
      ({ series }) => {
        series[1]!.group_tags = series[0]!.group_tags;
      },
      'twice',
    ],
    [
      'a count as text',
      ({ values }) => {
        values[0]![0] = 'NaN';
      },
      'counts "NaN"',
    ],
    [
      'a negative count',
      ({ values }) => {
        values[0]![0] = -1;
      },
      'counts -1',
    ],
    [
      'more in one minute than could be counted',
      ({ values }) => {
        values[0]![0] = 1e20;
      },
      'counts 100000000000000000000 events',
    ],
    [
      'more than a number can hold',
      ({ values }) => {
        values[0]![0] = 'HUGE';
      },
      'counts',
    ],
  ] as [string, (attributes: ReturnType<typeof answer>['data']['attributes']) => unknown, string][])(
    'is malformed at once, because asking again would not fix it: %s',
    async (_, spoil, words) => {
      loopback.reply((response, request) => {
        const body = answer(request.body, soundFacts);
        spoil(body.data.attributes);
        respond(200, JSON.stringify(body).replace('"HUGE"', '1e999'))(response, request);
      });
      const error = await failure((await connect()).measure(query(login), never));
      expect(error.code).toBe('source_malformed');
      expect(error.message).toContain(words);
      expect(loopback.requests).toHaveLength(1);
    },
  );

  it.each([
    [
      'more bad events than events in one minute',
      { ...soundFacts, c_bad_0: { 'api post_/login': [null, 29, null, null] } },
      'c_hits_0 counts 35 events of api post_/login, but c_bad_0 and c_other_status_0 and c_no_status_0 44 together',
    ],
    [
      'bad events of an endpoint without any',
      { ...soundFacts, c_bad_0: { 'api get_/me': [null, 9, null, null] } },
      'c_hits_0 counts 3 events of api get_/me, but c_bad_0 and c_other_status_0 and c_no_status_0 12 together',
    ],
    [
      'endpoints with traffic of a service without',
      { ...soundFacts, c_all_hits_0: {}, c_all_bad_0: {} },
      'knows no traffic',
    ],
    [
      'an endpoint that was cut off',
      { ...soundFacts, c_hits_0: { 'api post_/login': [10, 20, 0, 5] } },
      'groups were cut off: 1 of api came back for c_hits_0 with 35 of 38 events; get_/me is among the missing',
    ],
    [
      'bad events that were cut off, which must not read as none',
      { ...soundFacts, s_check_bad_0: { api: [null, null, 2, null] } },
      'groups were cut off: 0 of api came back for s_bad_0 with 0 of 2 events',
    ],
    [
      'bad events of endpoints that the whole service knows nothing of',
      {
        ...soundFacts,
        c_bad_0: { 'api post_/login': [2, null, null, null] },
        c_check_bad_0: { api: [2, null, null, null] },
        c_all_bad_0: {},
      },
      'c_all_bad_0 knows no bad events of api, but its endpoints have some',
    ],
  ])('contradicts itself: %s', async (_, facts, words) => {
    loopback.reply(factsReply(facts as Facts));
    const error = await failure((await connect()).measure(query(login), never));
    expect(error.code).toBe('source_malformed');
    expect(error.message).toContain(words);
  });

  it('takes float sums that differ in the last digits for what they are', async () => {
    const facts = {
      ...soundFacts,
      c_bad_0: { 'api post_/login': [10.000000001, null, null, null] },
      c_check_bad_0: { api: [10, null, null, null] },
      c_all_bad_0: { api: [10, null, null, null] },
    };
    loopback.reply(factsReply(facts));
    const snapshot = await (await connect()).measure(query(login), never);
    expect(counts(snapshot, 'canary', 'post_/login')).toMatchObject({ total: [10, 20, 0, 5] });
  });

  it('refuses an answer that is longer than the bound', async () => {
    loopback.reply(respond(200, `{"data":"${'x'.repeat(20_000)}"}`));
    const error = await failure((await connect({ maxAnswerBytes: 10_000 })).measure(query(login), never));
    expect(error.code).toBe('source_malformed');
    expect(error.message).toContain('longer than 10000 bytes');
    // The next one would be as long.
    expect(loopback.requests).toHaveLength(1);
  });
});

function spoilAttributes(spoil: (attributes: ReturnType<typeof answer>['data']['attributes']) => unknown) {
  return factsReply(soundFacts, (body) => {
    spoil(body.data.attributes);
    return body;
  });
}

describe('the rate limit', () => {
  it.each([
    ['X-RateLimit-Reset', { 'x-ratelimit-reset': '7', 'retry-after': '99' }, 7],
    ['Retry-After', { 'retry-after': '4' }, 4],
    [
      'a date in Retry-After, by the clock that wrote it',
      { 'retry-after': 'Tue, 10 Mar 2026 12:00:09 GMT', date: 'Tue, 10 Mar 2026 12:00:00 GMT' },
      9,
    ],
    ['nothing: 10 s', {}, 10],
    ['nonsense: 10 s', { 'x-ratelimit-reset': 'soon' }, 10],
  ])(
    'stops every call of the source until the reset that the 429 names by %s',
    async (_, headers, seconds) => {
      let now = 1_000;
      const remaining: number[] = [];
      const source = await connect({
        clock: { now: () => now, sleep: async () => {}, random: () => 0 },
        onRateLimitRemaining: (left) => remaining.push(left),
      });
      loopback.reply(respond(429, { errors: ['Too many requests'] }, headers as Record<string, string>));
      const first = await failure(source.measure(query(login), never));
      expect(first).toMatchObject({ code: 'source_rate_limited', retryAfterSeconds: seconds });
      expect(loopback.requests).toHaveLength(1);
      expect(remaining).toEqual([0]);

      loopback.reply(factsReply({}));
      now += (seconds - 1) * 1000;
      const other = query([scoped('web', ['get_/'])]);
      expect(await failure(source.measure(other, never))).toMatchObject({
        code: 'source_rate_limited',
        retryAfterSeconds: 1,
      });
      expect(loopback.requests).toHaveLength(1);

      now += 1_000;
      await source.measure(other, never);
      expect(loopback.requests).toHaveLength(2);
    },
  );

  it('is reported as the answers tell it', async () => {
    const remaining: number[] = [];
    const source = await connect({ onRateLimitRemaining: (left) => remaining.push(left) });
    loopback.reply((response, request) =>
      respond(200, answer(request.body, {}), { 'x-ratelimit-remaining': '41' })(response, request),
    );
    await source.measure(query(login), never);
    expect(remaining).toEqual([41]);
  });

  it.each([
    ['0', 0],
    ['7.5', 7.5],
    ['9000', 3_600],
  ])('is over after the time that the answer names (%s s), an hour at most', async (reset, resetSeconds) => {
    const periods: unknown[] = [];
    const source = await connect({ onRateLimitRemaining: (_, period) => void periods.push(period) });
    const headers = { 'x-ratelimit-remaining': '41', 'x-ratelimit-limit': '100', 'x-ratelimit-reset': reset };
    loopback.reply((response, request) => respond(200, answer(request.body, {}), headers)(response, request));
    await source.measure(query(login), never);
    expect(periods).toEqual([{ limit: 100, resetSeconds }]);
  });
});

describe('one deadline', () => {
  it('asks again inside it after 5XX and broken connections', async () => {
    loopback.reply(respond(503, 'upstream'), breakOff, factsReply(soundFacts));
    const snapshot = await (await connect()).measure(query(login), never);
    expect(counts(snapshot, 'canary', 'post_/login')).toMatchObject({ total: [10, 20, 0, 5] });
    expect(loopback.requests).toHaveLength(3);
  });

  it('gives up after two more attempts, with the last one’s words', async () => {
    loopback.reply(respond(500, { errors: ['oops'] }));
    const error = await failure((await connect()).measure(query(login), never));
    expect(error).toMatchObject({ code: 'source_unavailable', message: 'Datadog answered 500: oops' });
    expect(loopback.requests).toHaveLength(3);
  });

  it('does not ask again where too little of it is left for an answer', async () => {
    let now = 0;
    loopback.reply((response, request) => {
      now = 7_700;
      respond(502, '')(response, request);
    });
    const source = await connect({ clock: { now: () => now, sleep: async () => {}, random: () => 0 } });
    expect(await failure(source.measure(query(login), never))).toMatchObject({ code: 'source_unavailable' });
    expect(loopback.requests).toHaveLength(1);
  });

  it('gives one attempt no more than leaves room for another: a hanging connection is replaced', async () => {
    const clock = { now: () => 0, sleep: async () => {}, random: () => 0 };
    const source = await connect({ deadlineMs: 4_000, clock });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const hangs = new Promise<void>((resolve) => {
      loopback.reply(() => resolve(), factsReply(soundFacts));
    });
    const asked = source.measure(query(login), never);
    await hangs;
    await vi.advanceTimersByTimeAsync(2_399);
    expect(loopback.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(counts(await asked, 'canary', 'get_/me')).toMatchObject({ total: [1, 0, 0, 2] });
    expect(loopback.requests).toHaveLength(2);
  });

  it.each([
    ['never answers', hang],
    [
      'stops in the middle of its answer',
      ((response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{"data":');
      }) as typeof hang,
    ],
  ])('ends a question that %s', async (_, reply) => {
    loopback.reply(reply);
    const source = await connect({ deadlineMs: 120 });
    const begin = performance.now();
    const error = await failure(source.measure(query(login), never));
    expect(error.code).toBe('source_timeout');
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  it('ends when the caller’s does, and asks nothing where that is over already', async () => {
    const caller = new AbortController();
    loopback.reply(() => caller.abort());
    const source = await connect();
    const begin = performance.now();
    const error = await failure(source.measure(query(login), caller.signal));
    expect(error.code).toBe('source_timeout');
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(loopback.requests).toHaveLength(1);
    expect(await failure(source.measure(query(login), AbortSignal.abort()))).toMatchObject({
      code: 'source_timeout',
    });
    expect(loopback.requests).toHaveLength(1);
  });

  it('names what could not be reached', async () => {
    const gone = new Loopback();
    await gone.listen();
    await gone.close();
    const error = await failure((await connect({ url: gone.url })).measure(query(login), never));
    expect(error.code).toBe('source_unavailable');
    expect(error.message).toContain('ECONNREFUSED');
  });
});
