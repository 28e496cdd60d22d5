import { setMaxListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Pool } from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonApi } from '../../../src/domain/ports/json-api.ts';
import {
  createDatadogApi,
  DatadogConnection,
  type DatadogOptions,
} from '../../../src/sources/datadog/api/connection.ts';
import { Loopback, type Received, recording, replay, respond } from './loopback.ts';

const keys = { apiKey: 'an-api-key', appKey: 'an-app-key' };
let loopback: Loopback;
let connection: DatadogConnection | undefined;

beforeEach(async () => {
  loopback = new Loopback();
  await loopback.listen();
});
afterEach(async () => {
  vi.useRealTimers();
  await connection?.close();
  connection = undefined;
  await loopback.close();
});

function api(options: Partial<DatadogOptions> = {}): JsonApi {
  connection = new DatadogConnection({
    ...keys,
    url: loopback.url,
    clock: { sleep: async () => {}, random: () => 0 },
    ...options,
  });
  return createDatadogApi(connection);
}

describe('the API besides verdicts', () => {
  it('gets JSON with both keys and an encoded query', async () => {
    loopback.reply(respond(200, { data: 1 }));
    expect(await api().getJson('/api/v1/slo/abc/history', { from_ts: 1, tag: 'a b&c' })).toEqual({ data: 1 });
    expect(loopback.requests[0]).toMatchObject({
      method: 'GET',
      path: '/api/v1/slo/abc/history?from_ts=1&tag=a+b%26c',
      headers: { 'dd-api-key': keys.apiKey, 'dd-application-key': keys.appKey },
    });
  });

  it('posts JSON', async () => {
    loopback.reply(respond(200, {}));
    await api().postJson('/api/v2/query/scalar', { data: [1] });
    expect(loopback.requests[0]).toMatchObject({
      method: 'POST',
      path: '/api/v2/query/scalar',
      body: '{"data":[1]}',
      headers: { 'content-type': 'application/json' },
    });
  });

  it('hands out a recorded SLO history as it is', async () => {
    const [, history] = recording('v1-slo-history-no-data-200.json');
    loopback.reply(replay(history!));
    const answer = await api().getJson('/api/v1/slo/627a3ccd24af50beb8eacbd36c5962f9/history');
    expect(answer).toEqual(history?.response.body);
  });

  it.each([
    ['a recorded 403', replay(recording('v1-validate-403.json')[0]!), 'source_rejected', 1],
    ['a page of a proxy', respond(200, '<html>'), 'source_malformed', 3],
    ['an answer without content', respond(204, ''), 'source_malformed', 3],
    ['trouble', respond(502, ''), 'source_unavailable', 3],
    ['the rate limit', respond(429, {}, { 'x-ratelimit-reset': '9' }), 'source_rate_limited', 1],
  ])('fails by the same rules: %s', async (_, reply, code, requests) => {
    loopback.reply(reply);
    await expect(api().getJson('/api/v1/validate')).rejects.toMatchObject({ name: 'SourceError', code });
    expect(loopback.requests).toHaveLength(requests);
  });

  it('shares the rate limit with everything on its connection', async () => {
    loopback.reply(respond(429, {}, { 'x-ratelimit-reset': '9' }));
    const first = api();
    await expect(first.getJson('/api/v1/validate')).rejects.toMatchObject({ code: 'source_rate_limited' });
    const second = createDatadogApi(connection as DatadogConnection);
    await expect(second.postJson('/x', {})).rejects.toMatchObject({ code: 'source_rate_limited' });
    expect(loopback.requests).toHaveLength(1);
  });
});

it.each([
  ['never comes', undefined],
  ['is longer than is taken', 'x'.repeat(200)],
])('a 429 counts from its headers on: nothing is asked again where its body %s', async (_, body) => {
  let held: ServerResponse | undefined;
  loopback.reply((response) => {
    held = response;
    response.writeHead(429, { 'x-ratelimit-reset': '9' });
    if (body === undefined) response.flushHeaders();
    else response.end(body);
  });
  const ours = api({ deadlineMs: 2_000, maxAnswerBytes: 100 });
  await expect(ours.getJson('/api/v1/validate')).rejects.toMatchObject({ code: 'source_rate_limited' });
  await expect(ours.getJson('/api/v1/validate')).rejects.toMatchObject({ code: 'source_rate_limited' });
  expect(loopback.requests).toHaveLength(1);
  // Otherwise closing the connection waits for the body.
  held?.end();
});

it('a question that waited for a connection is not sent after a 429 either', async () => {
  const inFlight = 16;
  let answerRest = () => {};
  const allThere = new Promise<void>((resolve) => {
    const held: ServerResponse[] = [];
    loopback.reply((response) => {
      held.push(response);
      if (held.length < inFlight) return;
      const ok = respond(200, {});
      answerRest = () => {
        for (const one of held.slice(1)) ok(one, loopback.requests[0] as Received);
      };
      loopback.reply(ok);
      respond(
        429,
        {},
        { 'x-ratelimit-reset': '9' },
      )(held[0] as ServerResponse, loopback.requests[0] as Received);
      resolve();
    });
  });
  const ours = api();
  const asked = Array.from({ length: inFlight + 6 }, (_, at) =>
    ours.getJson(`/api/v1/validate?at=${at}`).then(
      () => 'answered',
      ({ code }) => code,
    ),
  );
  await allThere;
  await expect(Promise.race(asked)).resolves.toBe('source_rate_limited');
  answerRest();
  const outcomes = await Promise.all(asked);
  expect(loopback.requests).toHaveLength(inFlight);
  expect(outcomes.filter((outcome) => outcome === 'answered')).toHaveLength(inFlight - 1);
  expect(outcomes.filter((outcome) => outcome === 'source_rate_limited')).toHaveLength(7);
});

it('reads what comes after hints, and without its byte order mark', async () => {
  loopback.reply((response) => {
    response.writeProcessing();
    respond(200, '\ufeff{"data":"検索"}')(response, loopback.requests[0] as Received);
  });
  expect(await api().getJson('/api/v1/validate')).toEqual({ data: '検索' });
});

it('reads a character that lies across two packets', async () => {
  const bytes = Buffer.from('{"data":"検索"}');
  loopback.reply((response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, 11), () => setImmediate(() => response.end(bytes.subarray(11))));
  });
  expect(await api().getJson('/api/v1/validate')).toEqual({ data: '検索' });
});

it('a 429 whose body does not end costs its connection, and no more than that', async () => {
  let closed = false;
  loopback.reply((response) => {
    response.writeHead(429, { 'x-ratelimit-reset': '9' });
    response.once('close', () => {
      closed = true;
    });
    const more = () => {
      if (!closed) response.write('x'.repeat(16_384), more);
    };
    more();
  });
  let nowMs = 0;
  const ours = api({ clock: { now: () => nowMs, sleep: async () => {}, random: () => 0 } });
  await expect(ours.getJson('/api/v1/validate')).rejects.toMatchObject({ code: 'source_rate_limited' });
  await vi.waitUntil(() => closed, { interval: 1, timeout: 30_000 });
  nowMs = 9_000;
  loopback.reply(respond(200, { data: 1 }));
  expect(await ours.getJson('/api/v1/validate')).toEqual({ data: 1 });
});

it('a 429 costs no connection', async () => {
  let nowMs = 0;
  const ours = api({ clock: { now: () => nowMs, sleep: async () => {}, random: () => 0 } });
  loopback.reply(
    respond(429, { errors: ['x'.repeat(10_000)] }, { 'x-ratelimit-reset': '9' }),
    respond(200, {}),
  );
  await expect(ours.getJson('/api/v1/validate')).rejects.toMatchObject({ code: 'source_rate_limited' });
  await new Promise((resolve) => setImmediate(resolve));
  nowMs = 9_000;
  await ours.getJson('/api/v1/validate');
  expect(loopback.sockets).toBe(1);
});

it('a caller that gives up while waiting for a connection returns at once, and nothing is sent', async () => {
  loopback.reply(() => {});
  const ours = api();
  const givesUp = new AbortController();
  setMaxListeners(0, givesUp.signal);
  const held = Array.from({ length: 16 }, () =>
    ours.getJson('/held', {}, givesUp.signal).catch(() => 'let go'),
  );
  const waiting = ours.getJson('/waiting', {}, givesUp.signal).catch(({ code }) => code);
  await vi.waitUntil(() => loopback.requests.length === 16, { interval: 1, timeout: 30_000 });
  givesUp.abort();
  expect(await waiting).toBe('source_timeout');
  expect(await Promise.all(held)).toEqual(Array(16).fill('let go'));
  loopback.reply(respond(200, {}));
  await ours.getJson('/next');
  expect(loopback.requests.map(({ path }) => path)).not.toContain('/waiting');
});

describe('connections', () => {
  /** Sockets that the server saw over asks that lie so far apart. */
  async function socketsOver(ask: () => Promise<unknown>, pauseMs: number): Promise<number> {
    loopback.reply(respond(200, {}));
    for (let i = 0; i < 3; i += 1) {
      await ask();
      await vi.advanceTimersByTimeAsync(pauseMs);
      // A closed socket is noticed by real I/O, which fake timers do not move.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return loopback.sockets;
  }

  it.each([30_000, 5 * 60_000])('outlive %d ms between two questions', async (pauseMs) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const ours = api({ deadlineMs: 3_600_000 });
    expect(await socketsOver(() => ours.getJson('/api/v1/validate'), pauseMs)).toBe(1);
  });

  it('would not with the defaults of undici, which is why they are set', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const pool = new Pool(loopback.url);
    const ask = async () => (await pool.request({ method: 'GET', path: '/' })).body.text();
    expect(await socketsOver(ask, 30_000)).toBe(3);
    await pool.close();
  });
});

it.each([
  ['a site that the documentation names', { site: 'ap1.datadoghq.com' }, 'https://api.ap1.datadoghq.com'],
  ['the default', {}, 'https://api.datadoghq.com'],
  ['a URL before a site', { site: 'datadoghq.eu', url: 'http://127.0.0.1:9/x' }, 'http://127.0.0.1:9'],
] as [string, Partial<DatadogOptions>, string][])('goes to %s', (_, options, origin) => {
  expect(new DatadogConnection({ ...keys, ...options }).origin).toBe(origin);
});
