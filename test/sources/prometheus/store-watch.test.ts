import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { openPrometheusBackend } from '../../../src/sources/prometheus/api/open-backend.ts';
import {
  refuseMissingStores,
  type StoreState,
  StoreWatch,
} from '../../../src/sources/prometheus/api/store-watch.ts';
import type { LabelMatcher } from '../../../src/sources/prometheus/query/label-matchers.ts';
import { breakOff, hang, Loopback, respond } from '../datadog/loopback.ts';
import { replyBySelector } from './loopback-backend.ts';
import { document, podIn, queryOf, randomOf, registryOf, storedSeries } from './traffic.ts';

const minuteMs = 60_000;
const beginMs = Date.UTC(2026, 0, 31, 12, 0);
const token = 'a-token-that-only-Thanos-knows';
const loopback = new Loopback();
let connection: PrometheusConnection;
let nowMs = beginMs;

beforeAll(async () => {
  await loopback.listen();
  connection = new PrometheusConnection({ url: `${loopback.url}/thanos`, token });
});
afterAll(async () => {
  await connection.close();
  await loopback.close();
});
beforeEach(() => {
  loopback.requests.length = 0;
  nowMs = beginMs;
});

interface Entry {
  readonly name: string;
  readonly lastError: unknown;
  readonly labelSets: unknown;
  readonly minTime: unknown;
  readonly maxTime: unknown;
}

const forever = { minTime: -62_167_219_200_000, maxTime: 2 ** 63 };
const entry = (cluster: string, own: Partial<Entry> = {}): Entry => ({
  name: `${cluster}:10901`,
  lastError: null,
  labelSets: [{ cluster, replica: 'a' }],
  ...forever,
  ...own,
});
const listOf = (data: unknown) => respond(200, { status: 'success', data });
const sidecars = (...entries: Partial<Entry>[]) => listOf({ sidecar: entries });
const watching = (timeoutMs = 60_000) => new StoreWatch(connection, { epochNow: () => nowMs, timeoutMs });
const cluster = (operator: LabelMatcher['operator'], value: string): LabelMatcher => ({
  label: 'cluster',
  operator,
  value,
});

/** Why nothing is judged, or undefined. */
function refusal(state: StoreState, ...matchers: LabelMatcher[]) {
  try {
    refuseMissingStores(state, [{ matchers, fromMs: nowMs - 30 * minuteMs, toMs: nowMs }]);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ name: 'SourceError', code: 'source_unavailable', lasting: true });
    return error as Error & { readonly hint: string };
  }
}

async function refusedAfter(watch: StoreWatch, laterMs = 5_000) {
  nowMs += laterMs;
  return refusal(await watch.latest())?.message;
}

describe('which questions a store that is missing concerns', () => {
  const gone = { lastError: 'rpc error' };
  it.each<[string, unknown, LabelMatcher[], boolean]>([
    [
      'one that selects nothing by its labels',
      { sidecar: [entry('us', gone)] },
      [{ label: 'job', operator: '=', value: 'a' }],
      true,
    ],
    ['one that selects its label', { sidecar: [entry('us', gone)] }, [cluster('=', 'us')], true],
    ['not one that selects another value', { sidecar: [entry('us', gone)] }, [cluster('=', 'eu')], false],
    ['not one that excludes its value', { sidecar: [entry('us', gone)] }, [cluster('!=', 'us')], false],
    [
      'not one whose regular expression is another',
      { sidecar: [entry('us', gone)] },
      [cluster('=~', 'eu|asia')],
      false,
    ],
    [
      'one whose regular expression cannot be applied here',
      { sidecar: [entry('us', gone)] },
      [cluster('=~', '(eu)+(asia)*')],
      true,
    ],
    [
      'one of any of its sets of labels',
      { receive: [entry('us', { ...gone, labelSets: [{ cluster: 'us' }, { cluster: 'eu' }] })] },
      [cluster('=', 'eu')],
      true,
    ],
    [
      'any one where its labels are not known',
      { receive: [entry('us', { ...gone, labelSets: [{ cluster: 5 }] })] },
      [cluster('=', 'eu')],
      true,
    ],
    [
      'not one after its newest block',
      { store: [entry('us', { ...gone, maxTime: beginMs - 31 * minuteMs })] },
      [],
      false,
    ],
    [
      'one that begins before its newest block ends',
      { store: [entry('us', { ...gone, maxTime: beginMs - 29 * minuteMs })] },
      [],
      true,
    ],
    [
      'any one where its times are odd',
      { store: [entry('us', { ...gone, minTime: 'x', maxTime: null })] },
      [],
      true,
    ],
    ['none where it is a Ruler, which has no counters', { rule: [entry('us', gone)] }, [], false],
    ['any one where its error is no text', { sidecar: [entry('us', { lastError: {} })] }, [], true],
  ])('%s', async (_, data, matchers, isConcerned) => {
    loopback.reply(listOf(data));
    expect(refusal(await watching().latest(), ...matchers) !== undefined).toBe(isConcerned);
  });
});

describe('what is said', () => {
  it('names the first store, its labels and its error, all short, clean, and without the credentials', async () => {
    const hostile = `\u001b[31mred\n${'x'.repeat(5_000)}`;
    loopback.reply(
      sidecars(
        entry('us', {
          name: hostile,
          labelSets: [{ cluster: `"${hostile}` }],
          lastError: `refused ${token} ${hostile}`,
        }),
        entry('eu', { lastError: 'x' }),
      ),
    );
    const { message, hint } = refusal(await watching().latest()) ?? { message: '', hint: '' };
    expect(message).toMatch(
      /^Thanos Query does not reach its store \[31mred x+… \(sidecar, cluster=.*…\) and 1 more: refused \[redacted\] \[31mred x+…$/,
    );
    expect(message.length).toBeLessThan(500);
    expect(message).not.toContain('\u001b');
    expect(hint).toContain('/stores of Thanos Query');
    expect(loopback.requests[0]).toMatchObject({
      method: 'GET',
      path: '/thanos/api/v1/stores',
      headers: { authorization: `Bearer ${token}` },
    });
  });
});

describe('how often the list is asked', () => {
  it('is once in two seconds for all questions, and at once with the first one', async () => {
    loopback.reply(sidecars(entry('eu')));
    const watch = watching();
    await Promise.all([watch.latest(), watch.latest(), watch.latest()]);
    nowMs += 1_999;
    await watch.latest();
    expect(loopback.requests).toHaveLength(1);
    nowMs += 1;
    await Promise.all([watch.latest(), watch.latest()]);
    expect(loopback.requests).toHaveLength(2);
    // A clock that is set back does not stop it.
    nowMs -= 24 * 60 * minuteMs;
    await watch.latest();
    expect(loopback.requests).toHaveLength(3);
  });

  it.each([
    ['404', respond(404, 'page not found')],
    ['405', respond(405, '')],
    ['403 of a proxy', respond(403, '<html>')],
    ['a page', respond(200, '<html>sign in</html>')],
    ['another API', respond(200, { status: 'success', data: { resultType: 'vector', result: [] } })],
    ['a list of something else', respond(200, { status: 'success', data: { sidecar: ['a'] } })],
    ['null', respond(200, 'null')],
    [
      'a huge list',
      respond(200, { status: 'success', data: { sidecar: [{ name: 'x'.repeat(2_100_000) }] } }),
    ],
  ])('is less and less often where the answer is %s, and nothing is refused', async (_, reply) => {
    loopback.reply(reply);
    const watch = watching();
    expect(await refusedAfter(watch)).toBeUndefined();
    const askedAfter: number[] = [];
    for (let minutes = 1; minutes <= 200; minutes += 1) {
      const before = loopback.requests.length;
      await refusedAfter(watch, minuteMs);
      if (loopback.requests.length > before) askedAfter.push(minutes);
    }
    expect(askedAfter).toEqual([1, 3, 7, 15, 31, 63, 123, 183]);
  });

  it.each([
    ['500', respond(500, '')],
    ['429', respond(429, '', { 'retry-after': '60' })],
    ['half an answer', breakOff],
  ])('is every minute where the first answer is %s, and nothing is refused', async (_, reply) => {
    loopback.reply(reply);
    const watch = watching();
    expect(await refusedAfter(watch)).toBeUndefined();
    expect(await refusedAfter(watch, minuteMs - 1)).toBeUndefined();
    expect(loopback.requests).toHaveLength(1);
    loopback.reply(sidecars(entry('eu', { lastError: 'x' })));
    expect(await refusedAfter(watch, 1)).toMatch(/eu:10901/);
  });
});

describe('a list that cannot be read any more', () => {
  it('is given up when it takes too long', async () => {
    loopback.reply(hang);
    expect(refusal(await watching(10).latest())).toBeUndefined();
  });

  it('counts for a minute, then nothing is judged, and after an hour without one verdicts do not wait for it', async () => {
    loopback.reply(sidecars(entry('eu')));
    const watch = watching();
    expect(await refusedAfter(watch)).toBeUndefined();
    loopback.reply(respond(503, ''));
    expect(await refusedAfter(watch, minuteMs)).toBeUndefined();
    expect(await refusedAfter(watch)).toBe(
      'Thanos Query does not list its stores (/api/v1/stores): the answer was 503',
    );
    loopback.reply(sidecars(entry('eu')));
    expect(await refusedAfter(watch)).toBeUndefined();
    loopback.reply(breakOff);
    expect(await refusedAfter(watch, 30 * minuteMs)).toMatch(/Prometheus could not be reached/);
    expect(await refusedAfter(watch, 60 * minuteMs)).toBeUndefined();
  });

  it('is nothing to wait for where it is forbidden from now on', async () => {
    loopback.reply(sidecars(entry('eu', { lastError: 'x' })));
    const watch = watching();
    expect(await refusedAfter(watch)).toMatch(/eu:10901/);
    loopback.reply(respond(403, ''));
    expect(await refusedAfter(watch)).toBeUndefined();
    // It may have been for a moment.
    loopback.reply(sidecars(entry('eu', { lastError: 'x' })));
    expect(await refusedAfter(watch, minuteMs)).toMatch(/eu:10901/);
  });
});

describe('a store that is not listed any more', () => {
  it('is missed until it is back, at whatever address', async () => {
    loopback.reply(sidecars(entry('eu'), entry('us')));
    const watch = watching();
    expect(await refusedAfter(watch)).toBeUndefined();
    loopback.reply(sidecars(entry('eu'), entry('us', { lastError: 'connection refused' })));
    expect(await refusedAfter(watch)).toMatch(/does not reach its store us:10901/);
    loopback.reply(sidecars(entry('eu')));
    nowMs += 5_000;
    const lost = await watch.latest();
    expect(refusal(lost)?.message).toBe(
      'Thanos Query has lost its store us:10901 (sidecar, cluster="us",replica="a"), which answered last at 12:00 UTC.',
    );
    expect(refusal(lost)?.hint).toContain('wait until 13:00 UTC');
    expect(refusal(lost, cluster('=', 'eu'))).toBeUndefined();
    loopback.reply(sidecars(entry('eu'), entry('us', { name: '10.0.0.9:10901' })));
    expect(await refusedAfter(watch)).toBeUndefined();
  });

  it('is forgotten an hour after the first list without it, however long nothing was asked before', async () => {
    loopback.reply(sidecars(entry('eu'), entry('us')));
    const watch = watching();
    expect(await refusedAfter(watch)).toBeUndefined();
    loopback.reply(sidecars(entry('eu')));
    expect(await refusedAfter(watch, 600 * minuteMs)).toMatch(/has lost its store us:10901/);
    expect(await refusedAfter(watch, 60 * minuteMs - 1)).toMatch(/has lost its store us:10901/);
    expect(await refusedAfter(watch, 2_000)).toBeUndefined();
  });

  it('is missed by the labels that another Query has no more, and not by those that a store changes itself', async () => {
    const tenants = (...names: string[]) => ({ name: 'a:1', labelSets: names.map((tenant) => ({ tenant })) });
    loopback.reply(
      listOf({ receive: [entry('eu', tenants('x', 'y'))], query: [entry('eu', tenants('v', 'w'))] }),
    );
    const watch = watching();
    expect(await refusedAfter(watch)).toBeUndefined();
    loopback.reply(listOf({ receive: [entry('eu', tenants('x'))], query: [entry('eu', tenants('v', 'w'))] }));
    expect(await refusedAfter(watch)).toBeUndefined();
    loopback.reply(listOf({ receive: [entry('eu', tenants('x'))], query: [entry('eu', tenants('v'))] }));
    expect(await refusedAfter(watch)).toMatch(/lost its store a:1 \(query, tenant="w"\)/);
  });
});

describe('a process', () => {
  it('asks for the list beside its questions, and judges nothing while a store is missing', async () => {
    const recent = { fromMs: beginMs - 10 * minuteMs, toMs: beginMs, stepMs: 10_000 };
    const pod = { ...podIn({ ...recent, random: randomOf(1) }, 'a', { version: 'V2' }), gaps: [] };
    const requests = [...Array(200)].map((_, i) => ({
      ...{ pod, atMs: recent.fromMs + i * 2_900, method: 'POST', route: '/Orders/{id}', code: '200' },
    }));
    const stored = storedSeries(requests, beginMs);
    let stores = sidecars(entry('eu'));
    const queries = replyBySelector(stored);
    loopback.reply((response, request) =>
      (request.path.endsWith('/stores') ? stores : queries)(response, request),
    );
    const settings = {
      url: loopback.url,
      token,
      cacheKey: undefined,
      username: undefined,
      password: undefined,
      tenant: undefined,
    };
    const backend = openPrometheusBackend(settings, 8_000, { epochNow: () => nowMs });
    const source = await backend.source();
    const query = queryOf(recent, registryOf({ ...document, cujs: (document.cujs ?? []).slice(0, 1) }));
    const measure = () => source.measure(query, new AbortController().signal);
    const [snapshot] = await Promise.all([measure(), measure()]);
    expect(snapshot.services.get('orders')?.canary.whole).toBeDefined();
    expect(loopback.requests.filter(({ method }) => method === 'GET')).toHaveLength(1);
    stores = sidecars(entry('eu', { lastError: 'rpc error' }));
    nowMs += 2_000;
    await expect(measure()).rejects.toMatchObject({ code: 'source_unavailable' });
    await backend.close();
  });
});
