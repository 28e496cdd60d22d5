import { describe, expect, it } from 'vitest';
import type { BatchQuery, Series, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { snapshotOf } from '../../../src/sources/datadog/api/snapshot.ts';
import { planQueries } from '../../../src/sources/datadog/query/query-plan.ts';
import {
  parseSourceTemplate,
  type SourceTemplate,
} from '../../../src/sources/datadog/query/source-template.ts';
import { answer, batch, type Facts, query, scoped, selector } from './synthetic.ts';

/** The snapshot of an answer with these facts. */
function snapshot(asked: BatchQuery, facts: Facts): Snapshot {
  const plan = planQueries(asked.batch, asked.canary, asked.stable);
  const queries = plan.queries.map(({ name, query: text }) => ({ name, query: text }));
  const { series, times, values } = answer(JSON.stringify({ data: { attributes: { queries } } }), facts).data
    .attributes;
  return snapshotOf(plan, asked, { series, times, values });
}

function plain(series: Series | undefined) {
  return series && { total: [...series.total], bad: [...series.bad] };
}

describe('latency', () => {
  const timed = query([
    scoped(
      'api',
      ['get_/me', 'post_/login'],
      [
        { latencyMs: 300, resources: ['get_/me'] },
        { latencyMs: 500, resources: ['*', 'post_/login'] },
      ],
    ),
  ]);
  const facts: Facts = {
    c_timed_0: { 'api get_/me': [10, null, 4, null], 'api post_/login': [5, 5, null, null] },
    c_check_timed_0: { api: [15, 5, 4, null] },
    c_good300_0: { 'api get_/me': [9, null, null, null] },
    c_check_good300_0: { api: [9, null, null, null] },
    c_good500_0: { 'api post_/login': [5, 4, null, null] },
    c_check_good500_0: { api: [5, 4, null, null] },
    c_all_timed_0: { api: [20, 6, 4, 1] },
    c_all_good500_0: { api: [20, 5, 4, 1] },
  };

  it('makes bad events of all that were not within the threshold', () => {
    const { latency, requests, whole } = snapshot(timed, facts).services.get('api')!.canary;
    expect(plain(latency.get(300)?.get('get_/me'))).toEqual({ total: [10, 0, 4, 0], bad: [1, 0, 4, 0] });
    expect(plain(latency.get(500)?.get('post_/login'))).toEqual({ total: [5, 5, 0, 0], bad: [0, 1, 0, 0] });
    expect(plain(latency.get(500)?.get('*'))).toEqual({ total: [20, 6, 4, 1], bad: [0, 1, 0, 0] });
    expect(latency.get(300)?.has('post_/login')).toBe(false);
    expect([requests.size, whole]).toEqual([0, undefined]);
  });

  it.each<[string, Facts, string]>([
    [
      'more requests within the threshold than there were',
      { ...facts, c_good300_0: { 'api get_/me': [19, null, null, null] } },
      'c_timed_0 counts 14 events of api get_/me, but c_good300_0 and c_slow300_0 23 together',
    ],
    [
      'good events that were cut off, which must not read as slow requests',
      { ...facts, c_good500_0: {}, c_check_good500_0: { api: [5, 4, null, null] } },
      'groups were cut off',
    ],
  ])('does not believe %s', (_, wrong, words) => {
    expect(() => snapshot(timed, wrong)).toThrow(words);
  });

  it('believes that all of the canary’s requests were slow where some of stable’s were not', () => {
    const stable: Facts = {
      s_timed_0: { 'api get_/me': [1, 1, 1, 1] },
      s_check_timed_0: { api: [1, 1, 1, 1] },
      s_good300_0: { 'api get_/me': [1, 1, 1, 1] },
      s_check_good300_0: { api: [1, 1, 1, 1] },
      s_all_timed_0: { api: [1, 1, 1, 1] },
      s_all_good500_0: { api: [1, 1, 1, 1] },
    };
    const slow = snapshot(timed, { ...facts, ...stable, c_good300_0: {}, c_check_good300_0: {} });
    expect(plain(slow.services.get('api')?.canary.latency.get(300)?.get('get_/me'))?.bad).toEqual([
      10, 0, 4, 0,
    ]);
  });
});

describe('several services', () => {
  it('are told apart by their groups, and what only the other one asks for is left out', () => {
    const two = query([scoped('api', ['get_/me']), scoped('web', ['get_/'])]);
    const { services } = snapshot(two, {
      c_hits_0: { 'api get_/me': [1, 1, 1, 1], 'web get_/me': [7, 7, 7, 7], 'web get_/': [2, 2, 2, 2] },
      c_check_hits_0: { api: [1, 1, 1, 1], web: [9, 9, 9, 9] },
      c_all_hits_0: { api: [1, 1, 1, 1], web: [9, 9, 9, 9] },
    });
    expect([...(services.get('api')?.canary.requests.keys() ?? [])]).toEqual(['get_/me']);
    expect([...(services.get('web')?.canary.requests.keys() ?? [])]).toEqual(['get_/']);
    expect(plain(services.get('web')?.canary.whole)?.total).toEqual([9, 9, 9, 9]);
  });

  it('read a canary under another name back to the service of the registry', () => {
    const renamed = query([scoped('api', ['get_/me'])], { canary: selector('service:api-canary') });
    const { canary, stable } = snapshot(renamed, {
      c_hits_0: { 'api-canary get_/me': [1, 2, 3, 4] },
      c_check_hits_0: { 'api-canary': [1, 2, 3, 4] },
      c_all_hits_0: { 'api-canary': [1, 2, 3, 4] },
      s_all_hits_0: { api: [5, 5, 5, 5] },
    }).services.get('api')!;
    expect(plain(canary.requests.get('get_/me'))?.total).toEqual([1, 2, 3, 4]);
    expect(plain(stable.whole)?.total).toEqual([5, 5, 5, 5]);
  });
});

describe('counts of the same requests', () => {
  const asked = query([
    scoped('api', ['get_/me', 'post_/login'], [{ latencyMs: 300, resources: ['get_/me', 'post_/login'] }]),
  ]);
  const facts: Facts = {
    c_hits_0: { 'api get_/me': [900, 900, 900, 900], 'api post_/login': [100, 100, 100, 100] },
    c_bad_0: { 'api get_/me': [5, 5, 5, 5] },
    c_check_hits_0: { api: [1000, 1000, 1000, 1000] },
    c_check_bad_0: { api: [5, 5, 5, 5] },
    c_all_hits_0: { api: [1002, 1000, 1000, 1000] },
    c_all_bad_0: { api: [6, 5, 5, 5] },
    c_timed_0: { 'api get_/me': [900, 900, 900, 900], 'api post_/login': [100, 100, 100, 100] },
    c_check_timed_0: { api: [1000, 1000, 1000, 1000] },
    c_good300_0: { 'api get_/me': [890, 890, 890, 890], 'api post_/login': [99, 99, 99, 99] },
    c_check_good300_0: { api: [989, 989, 989, 989] },
  };

  it.each<[string, Facts]>([
    ['that agree', {}],
    ['that grew by some spans between two queries', { c_check_hits_0: { api: [1000, 1000, 1000, 990] } }],
    ['of which an endpoint is missing that had no bad events', { c_bad_0: { 'api get_/me': [5, 5, 5, 5] } }],
  ])('are believed where they are those %s', (_, changed) => {
    expect(() => snapshot(asked, { ...facts, ...changed })).not.toThrow();
  });

  it.each<[string, Facts, string]>([
    [
      'more requests by endpoint than together, in which bad ones drown',
      { c_hits_0: { 'api get_/me': [90_000, 90_000, 90_000, 90_000], 'api post_/login': [1, 1, 1, 1] } },
      'c_hits_0 counts 360004 events of api endpoint by endpoint, but c_check_hits_0 4000',
    ],
    [
      'fewer requests by endpoint than together, though all endpoints came',
      { c_hits_0: { 'api get_/me': [450, 450, 450, 450], 'api post_/login': [50, 50, 50, 50] } },
      'c_hits_0 counts 2000 events of api endpoint by endpoint, but c_check_hits_0 4000',
    ],
    [
      'good events that are there but zero, which would read as slow requests',
      { c_good300_0: { 'api get_/me': [0, 0, 0, 0], 'api post_/login': [0, 0, 0, 0] } },
      'c_good300_0 counts 0 events of api endpoint by endpoint, but c_check_good300_0 3956',
    ],
    [
      'bad events of the service that are of none of its endpoints, though all its requests are',
      { c_bad_0: {}, c_check_bad_0: {}, c_all_bad_0: { api: [6, 5, 5, 5] } },
      'outside the endpoints 21 of 2 requests of api failed, by c_all_bad_0 and c_check_bad_0',
    ],
    [
      'fewer by status than all, whether they have one or not',
      { c_other_status_0: { 'api post_/login': [100, 100, 100, 100] } },
      'c_hits_0 counts 3600 events of api get_/me, but c_bad_0 and c_other_status_0 and c_no_status_0 20 together',
    ],
    [
      'endpoints with more requests than their service',
      { c_all_hits_0: { api: [100, 100, 100, 100] } },
      "c_check_hits_0 counts 4000 events of api's endpoints, but c_all_hits_0 400 of all of it",
    ],
  ])('are not believed where they are %s', (_, wrong, words) => {
    expect(() => snapshot(asked, { ...facts, ...wrong })).toThrow(words);
  });
});

describe('requests that arrive while the queries are answered', () => {
  const whole = query([scoped('api', ['*'], [{ latencyMs: 300, resources: ['*'] }])]);
  const facts: Facts = {
    c_all_hits_0: { api: [100, 100, 100, 100] },
    c_all_bad_0: { api: [null, 1, null, null] },
    c_all_other_status_0: { api: [90, 89, 90, 90] },
    c_all_no_status_0: { api: [10, 10, 10, 10] },
    c_all_timed_0: { api: [100, 100, 100, 100] },
    c_all_good300_0: { api: [99, 99, 99, 99] },
    c_all_slow300_0: { api: [1, 1, 1, 1] },
  };
  const canaryOf = (changed: Facts) => snapshot(whole, { ...facts, ...changed }).services.get('api')!.canary;

  it('leave nothing unclassified where they are in all counts', () => {
    expect(canaryOf({}).whole).not.toHaveProperty('unclassified');
  });

  it('are unclassified where the total alone has them', () => {
    const { whole: all, latency } = canaryOf({
      c_all_hits_0: { api: [100, 100, 100, 103] },
      c_all_timed_0: { api: [100, 100, 100, 102] },
    });
    expect(plain(all)).toEqual({ total: [100, 100, 100, 103], bad: [0, 1, 0, 0] });
    expect([...(all?.unclassified ?? [])]).toEqual([0, 0, 0, 3]);
    expect([...(all?.withStatus ?? [])]).toEqual([90, 90, 90, 93]);
    const slow = latency.get(300)?.get('*');
    expect(plain(slow)?.bad).toEqual([1, 1, 1, 1]);
    expect([...(slow?.unclassified ?? [])]).toEqual([0, 0, 0, 2]);
  });

  it('are in the total where its parts alone have them, a bad one too', () => {
    const { whole: all } = canaryOf({ c_all_bad_0: { api: [null, 1, null, 2] } });
    expect(plain(all)).toEqual({ total: [100, 100, 100, 102], bad: [0, 1, 0, 2] });
    expect(all).not.toHaveProperty('unclassified');
  });

  it.each([
    [
      'bad',
      { c_all_hits_0: { api: [100, 100, 100, 130] } },
      'c_all_hits_0 counts 430 events of api, but c_all_bad_0',
    ],
    ['lost', { c_all_no_status_0: {} }, 'c_all_no_status_0 360 together'],
    [
      'slow',
      { c_all_good300_0: { api: [50, 50, 50, 50] } },
      'c_all_good300_0 and c_all_slow300_0 204 together',
    ],
  ])('are not so many: %s', (_, changed, words) => {
    expect(() => canaryOf(changed as Facts)).toThrow(words);
  });
});

describe('without a filter, because the list of endpoints is too long for one', () => {
  const resources = Array.from({ length: 100 }, (_, i) => `get_/${'a'.repeat(40)}${i}`);
  const many = query([scoped('api', resources)]);
  const one = `api ${resources[0]}`;

  it('passes over endpoints that nobody asked for', () => {
    const { requests } = snapshot(many, {
      c_hits_0: { [one]: [1, 1, 1, 1], 'api get_/other': [3, 3, 3, 3] },
      c_all_hits_0: { api: [4, 4, 4, 4] },
    }).services.get('api')!.canary;
    expect([...requests.keys()]).toEqual([resources[0]]);
  });

  it('sees by the whole service that groups were cut off', () => {
    const facts = { c_hits_0: { [one]: [1, 1, 1, 1] }, c_all_hits_0: { api: [4, 4, 4, 4] } };
    expect(() => snapshot(many, facts)).toThrow('1 of api came back for c_hits_0 with 4 of 16 events');
  });

  it('sees that bad groups of an endpoint with traffic were cut off', () => {
    const facts = {
      c_hits_0: { [one]: [4, 4, 4, 4] },
      c_all_hits_0: { api: [4, 4, 4, 4] },
      c_all_bad_0: { api: [1, null, null, null] },
    };
    expect(() => snapshot(many, facts)).toThrow('0 of api came back for c_bad_0 with 0 of 1 events');
  });
});

describe('a source template', () => {
  const parsed = parseSourceTemplate('istio', {
    total: 'sum:istio.hits{app:{service},{selector}}.as_count()',
    bad: 'sum:istio.hits{app:{service},{selector},code:5*}.as_count()',
    groupBy: 'route',
  }) as unknown as { source: SourceTemplate };
  const meshed = (resources: string[]) =>
    query([], {
      batch: batch(
        ['api', 'web'].map((name) => scoped(name, resources, [], { source: 'istio' })),
        { source: 'istio', template: parsed.source },
      ),
    });

  it('knows each service by the query that asked for it', () => {
    const { services } = snapshot(meshed(['get_/me']), {
      c_hits_0: { 'get_/me': [1, 1, 1, 1] },
      c_check_hits_0: { '': [1, 1, 1, 1] },
      c_all_hits_0: { '': [2, 2, 2, 2] },
      c_all_bad_0: { '': [null, 1, null, null] },
      c_all_hits_1: { '': [8, 8, 8, 8] },
    });
    expect(plain(services.get('api')?.canary.requests.get('get_/me'))?.total).toEqual([1, 1, 1, 1]);
    expect(plain(services.get('api')?.canary.whole)).toEqual({ total: [2, 2, 2, 2], bad: [0, 1, 0, 0] });
    expect(plain(services.get('web')?.canary.whole)?.total).toEqual([8, 8, 8, 8]);
  });
});

describe('a source template whose bad events have a metric of their own', () => {
  const parsed = parseSourceTemplate('app', {
    total: 'sum:app.requests{app:{service},{selector}}.as_count()',
    bad: 'sum:app.failures{app:{service},{selector}}.as_count()',
  }) as unknown as { source: SourceTemplate };
  const asked = query([], {
    batch: batch([scoped('api', ['*'], [], { source: 'app' })], { source: 'app', template: parsed.source }),
  });
  const total = [100, 1, 100, 0];
  const canaryOf = (bad: readonly (number | null)[], hits: readonly number[] = total) =>
    plain(
      snapshot(asked, { c_all_hits_0: { '': hits }, c_all_bad_0: { '': bad } }).services.get('api')?.canary
        .whole,
    );

  it('may have a bad event more than its total, which arrived in between: it is in both then', () => {
    expect(canaryOf([4, 2, null, 1])).toEqual({ total: [100, 2, 100, 1], bad: [4, 2, 0, 1] });
  });

  it.each<[string, readonly (number | null)[], string]>([
    [
      'of one bucket',
      [null, 12, null, null],
      'c_all_hits_0 counts 201 events of the service, but c_all_bad_0 11',
    ],
    ['of several', [null, 6, null, 6], 'c_all_bad_0 11 that are not among them'],
  ])('has lost points of its total where there are many more: %s', (_, bad, words) => {
    expect(() => canaryOf(bad)).toThrow(words);
  });

  it('has lost its total where it has none at all', () => {
    const facts: Facts = { c_all_bad_0: { '': [null, 1, null, null] } };
    expect(() => snapshot(asked, facts)).toThrow(
      'c_all_hits_0 counts 0 events of the service, but c_all_bad_0 1',
    );
  });
});

describe('buckets of 10 s', () => {
  /** A value for each 10 s of four minutes. */
  const tens = (countAt: (i: number) => number | null) => Array.from({ length: 24 }, (_, i) => countAt(i));
  const fine = query([scoped('api', ['get_/me'])], { stable: selector('version:v1'), stepMs: 10_000 });
  const facts = (lengthMs: number): Facts => {
    // Every bucket of Datadog's own has 5 requests, and the second one a bad one.
    const each = lengthMs / 10_000;
    const hits = tens((i) => (i % each === 0 ? 5 : null));
    const bad = tens((i) => (i === each ? 1 : null));
    return {
      c_hits_0: { 'api get_/me': hits },
      c_bad_0: { 'api get_/me': bad },
      c_check_hits_0: { api: hits },
      c_check_bad_0: { api: bad },
      c_all_hits_0: { api: hits },
      c_all_bad_0: { api: bad },
    };
  };
  /** As Datadog answers: a time that no series has a value at is not there. */
  const read = (asked: BatchQuery, given: Facts): Snapshot => {
    const plan = planQueries(asked.batch, asked.canary, asked.stable);
    const queries = plan.queries.map(({ name, query: text }) => ({ name, query: text }));
    const body = answer(JSON.stringify({ data: { attributes: { queries } } }), given, 10_000);
    const { series, times, values } = body.data.attributes;
    const there = times.map((_, i) => values.some((list) => list[i] !== null));
    const only = <T>(list: readonly T[]) => list.filter((_, i) => there[i]);
    return snapshotOf(plan, asked, { series, times: only(times), values: values.map(only) });
  };

  it.each([10_000, 20_000, 30_000, 60_000])(
    'are as long as those of the answer, if that has longer ones: %d ms',
    (lengthMs) => {
      const { stepMs, services } = read(fine, facts(lengthMs));
      const buckets = 240_000 / lengthMs;
      const { canary, stable, allTraffic } = services.get('api')!;
      const bad = new Array(buckets).fill(0).map((_, i) => (i === 1 ? 1 : 0));
      expect(stepMs).toBe(lengthMs);
      expect(plain(canary.requests.get('get_/me'))).toEqual({ total: new Array(buckets).fill(5), bad });
      expect(plain(canary.whole)).toEqual({ total: new Array(buckets).fill(5), bad });
      expect([stable.whole, allTraffic?.length]).toEqual([undefined, buckets]);
    },
  );

  it('may end inside the last one', () => {
    const { toMs, services } = read({ ...fine, toMs: fine.toMs - 30_000 }, facts(60_000));
    const { canary, allTraffic } = services.get('api')!;
    expect(toMs).toBe(fine.toMs - 30_000);
    expect([canary.whole?.total.length, allTraffic?.length]).toEqual([4, 4]);
  });

  it('do not contradict each other where single events arrive while the queries are answered', () => {
    const one = tens(() => 1);
    const { canary } = read(fine, {
      c_hits_0: { 'api get_/me': one },
      // Asked last: the two newest requests are in none of the others.
      c_other_status_0: { 'api get_/me': tens((i) => (i >= 22 ? 2 : 1)) },
      c_check_hits_0: { api: one },
      c_all_hits_0: { api: one },
    }).services.get('api')!;
    const { total } = canary.requests.get('get_/me') as Series;
    expect([...total.slice(21)]).toEqual([1, 2, 2]);
  });
});

describe('all requests of a service, of any version', () => {
  const asked = (stable: string | undefined) =>
    query([scoped('api', ['post_/login'])], {
      stable: stable === undefined ? undefined : selector(stable),
    });

  it.each<[string, string | undefined, Facts, readonly number[] | undefined]>([
    ['are counted as they come', 'version:v1', { s_all_traffic_0: { api: [7, null, 2, 1] } }, [7, 0, 2, 1]],
    ['are none where none came', 'version:v1', {}, [0, 0, 0, 0]],
    ['are not known where stable is the rest', undefined, {}, undefined],
  ])('%s', (_, stable, facts, counts) => {
    const { allTraffic } = snapshot(asked(stable), facts).services.get('api')!;
    expect(allTraffic && [...allTraffic]).toEqual(counts);
  });
});
