import { describe, expect, it } from 'vitest';
import { judgedWindow } from '../../../src/domain/judge/analysis-window.ts';
import { judge } from '../../../src/domain/judge/judge.ts';
import { bucketMs, type Measurement } from '../../../src/domain/metrics/metrics-source.ts';
import type { GatePolicy } from '../../../src/domain/registry/model.ts';
import { cujOf, defaultPolicy, endpointOf, measurementOf, over, silent } from './journey.ts';

/** One character a minute: `c` canary and stable, `s` stable alone, `C` canary alone, `n` stable and neither, `.` nothing. */
function lived(minutes: string, more: Partial<Measurement> = {}): Measurement {
  const hits = (of: string) => Array.from(minutes, (minute) => (of.includes(minute) ? 10 : 0));
  return { ...measurementOf({ whole: { canary: hits('cC'), stable: hits('csn') } }), ...more };
}

/** The same where stable has a selector of its own, so that what is neither is known; `N` is neither alone. */
function distinguishable(minutes: string): Partial<Measurement> {
  const { whole } = lived(minutes);
  return { whole: { ...whole, unmatched: Array.from(minutes, (minute) => ('nN'.includes(minute) ? 4 : 0)) } };
}

const from = measurementOf({}).fromMs;

describe('the rollout window', () => {
  it.each<[string, string, number, string]>([
    ['begins at the first hit', 'ssssssscccc', 7, 'first_hit'],
    ['is all that was queried where the canary was there from the start', 'ccccccccccc', 0, 'max_window'],
    [
      'begins after a silence as long as restartGap: an earlier life is not judged',
      'cccsssssccc',
      8,
      'after_gap',
    ],
    ['goes on through a shorter silence', 'sssssscccssssccc', 6, 'first_hit'],
    ['sees all lives of a canary that came for the third time', 'sccssssscssssscc', 1, 'first_hit'],
    ['is over where the canary has been silent for restartGap', 'sssccccccsssss', 14, 'after_gap'],
    ['goes on where it has been silent for less', 'ssscccccsssss'.slice(0, 12), 3, 'first_hit'],
    ['is everything where the canary never came', 'ssssssssss', 0, 'max_window'],
  ])('%s (%s)', (_, minutes, first, start) => {
    expect(judgedWindow(defaultPolicy, lived(minutes))).toMatchObject({ first, end: minutes.length, start });
  });

  it('begins at since, rounded up to the minute: the one it began in may hold errors of the last life', () => {
    const at = (sinceMs: number) => judgedWindow(defaultPolicy, lived('cccccccccc', { sinceMs }));
    expect(at(from + 4 * bucketMs)).toMatchObject({ first: 4, start: 'since' });
    expect(at(from + 4 * bucketMs + 1)).toMatchObject({ first: 5, start: 'since' });
  });

  it('begins at since whatever noDataSentences there were, since a paused canary is the same rollout', () => {
    const paused = lived('sscccssssssccc', { sinceMs: from + 2 * bucketMs });
    expect(judgedWindow(defaultPolicy, paused)).toMatchObject({ first: 2, start: 'since' });
  });

  it('reaches back no further than maxWindow, whatever since says', () => {
    const policy: GatePolicy = { ...defaultPolicy, maxWindowMs: 5 * bucketMs };
    const old = lived('cccccccccc', { sinceMs: from - 3_600_000 });
    expect(judgedWindow(policy, old)).toMatchObject({ first: 5, start: 'max_window' });
  });

  it('never begins behind its end', () => {
    expect(judgedWindow(defaultPolicy, lived('cccc', { sinceMs: from + 99 * bucketMs }))).toMatchObject({
      first: 4,
      end: 4,
      start: 'since',
    });
  });

  it('keeps the longer life where restartGap is longer', () => {
    const policy: GatePolicy = { ...defaultPolicy, restartGapMs: 10 * bucketMs };
    expect(judgedWindow(policy, lived('sccsssssccc')).first).toBe(1);
  });
});

describe('a fixed window', () => {
  it('is the newest span, noDataSentences or not', () => {
    expect(judgedWindow({ ...defaultPolicy, window: 300_000 }, lived('ccccssssssss'))).toMatchObject({
      first: 7,
      start: 'fixed',
    });
  });

  it('of the caller goes before that of the registry, and back to the rollout', () => {
    const policy: GatePolicy = { ...defaultPolicy, window: 300_000 };
    expect(judgedWindow(policy, lived('sssssssccc', { windowMs: 120_000 })).first).toBe(8);
    expect(judgedWindow(policy, lived('sssssssccc', { windowMs: 'rollout' })).start).toBe('first_hit');
  });

  it('is not said to begin at a since before all that was queried', () => {
    const policy: GatePolicy = { ...defaultPolicy, window: 600_000 };
    expect(judgedWindow(policy, lived('cccc', { sinceMs: from - bucketMs }))).toMatchObject({
      first: 0,
      start: 'fixed',
    });
  });

  it('does not reach back before since', () => {
    const policy: GatePolicy = { ...defaultPolicy, window: 300_000 };
    expect(judgedWindow(policy, lived('cccccccccc', { sinceMs: from + 8 * bucketMs }))).toMatchObject({
      first: 8,
      start: 'since',
    });
    expect(judgedWindow(policy, lived('cccccccccc', { sinceMs: from }))).toMatchObject({
      first: 5,
      start: 'fixed',
    });
  });
});

describe('a newest minute that is not over', () => {
  /** The last minute of the pattern has only so many seconds. */
  const cut = (minutes: string, seconds: number, more: Partial<Measurement> = {}) => {
    const measurement = lived(minutes, more);
    return { ...measurement, toMs: measurement.toMs - bucketMs + seconds * 1000 };
  };

  it.each<[string, string, number, string]>([
    ['is part of the window', 'ssssssscccc', 7, 'first_hit'],
    ['may be all of it', 'ssssssssssc', 10, 'first_hit'],
    ['ends a silence where the canary is back in it', 'cccsssssc', 8, 'after_gap'],
    ['is not silent yet: five minutes are over, and it would be the sixth', 'sscccccssss.', 2, 'first_hit'],
    ['adds nothing to a silence that ends an attempt by itself', 'sscccccsssss.', 13, 'after_gap'],
  ])('%s (%s)', (_, minutes, first, start) => {
    expect(judgedWindow(defaultPolicy, cut(minutes, 10))).toMatchObject({
      first,
      end: minutes.length,
      completeEnd: minutes.length - 1,
      start,
    });
    // As the whole minute would be, where the canary is there.
    if (!minutes.endsWith('.'))
      expect(judgedWindow(defaultPolicy, cut(minutes, 60))).toMatchObject({ first, start });
  });

  it('counts for the time that the canary has been watched as long as it is', () => {
    expect(judgedWindow(defaultPolicy, cut('ssssssscccc', 10)).watchedMs).toBe(3 * bucketMs + 10_000);
    expect(judgedWindow(defaultPolicy, cut('ssssssscccc', 60)).watchedMs).toBe(4 * bucketMs);
    expect(judgedWindow(defaultPolicy, cut('ssssssscccs', 10)).watchedMs).toBe(3 * bucketMs);
    expect(judgedWindow(defaultPolicy, cut('sssssssssss', 10)).watchedMs).toBe(0);
  });

  it('comes on top of a fixed span, and of maxWindow', () => {
    expect(judgedWindow({ ...defaultPolicy, window: 300_000 }, cut('cccccccccc', 20))).toMatchObject({
      first: 4,
      end: 10,
    });
    expect(judgedWindow({ ...defaultPolicy, maxWindowMs: 300_000 }, cut('cccccccccc', 20)).first).toBe(4);
  });

  it('is not judged where the rollout began in it', () => {
    const begun = (sinceMs: number) => judgedWindow(defaultPolicy, cut('cccccccccc', 30, { sinceMs }));
    expect(begun(from + 9 * bucketMs)).toMatchObject({ first: 9, end: 10, start: 'since' });
    expect(begun(from + 9 * bucketMs + 1)).toMatchObject({ first: 10, end: 10, start: 'since' });
  });

  it('makes no third attempt of a canary that has merely not come back yet', () => {
    const twice = 'sscccsssssscccssssss';
    expect(judgedWindow(defaultPolicy, cut(`${twice}.`, 10)).attempts).toBeUndefined();
    expect(judgedWindow(defaultPolicy, cut(`${twice}c`, 10)).attempts).toBe(3);
  });
});

describe('a canary that nothing tells apart', () => {
  it.each([
    ['is one that was always there while stable never was', 'CCCCCCCC', 'alone'],
    ['is one whose first minutes were merely quiet', '..CCCCCC', 'alone'],
    ['is none that came later', '.....CCC', undefined],
    ['is none beside a stable, even one that went away', 'cCCCCCCC', undefined],
    ['is none where nothing is there at all', '........', undefined],
    ['is the old version where stable came only after it', 'CCCCCCCCCCCccc', 'swapped'],
    ['is none where stable was merely quiet first', 'CCCCcccc', undefined],
    [
      'is none that went and came again, as an old version does that is rolled back to',
      'CCCCCsssssccc',
      undefined,
    ],
  ])('%s (%s)', (_, minutes, indistinguishable) => {
    expect(judgedWindow(defaultPolicy, lived(minutes)).indistinguishable).toBe(indistinguishable);
  });
});

describe('an undo', () => {
  /** The old version alone, the new one beside it, then alone for some minutes, and the old one again at a tenth. */
  const undone = (more: Partial<Measurement> = {}) => {
    const canary = [...Array(85).fill(100), ...Array(10).fill(50), ...Array(3).fill(0), ...Array(5).fill(10)];
    const stable = [...Array(85).fill(0), ...Array(10).fill(50), ...Array(3).fill(100), ...Array(5).fill(90)];
    return judgedWindow(defaultPolicy, { ...measurementOf({ whole: { canary, stable } }), ...more });
  };

  it('is not taken for swapped versions, with the begin of the rollout or without', () => {
    expect(undone().indistinguishable).toBeUndefined();
    expect(undone({ sinceMs: from + 98 * bucketMs }).indistinguishable).toBeUndefined();
  });
});

describe('selectors that match the same requests', () => {
  const overlapping = (both: number[]) => {
    const measurement = lived('cccccccc');
    return judgedWindow(defaultPolicy, {
      ...measurement,
      whole: { ...measurement.whole, overlapping: both },
    });
  };

  it('tell nothing apart where a good part of the canary is stable as well', () => {
    const { canary } = lived('cccccccc').whole;
    expect(overlapping(canary.map((hits) => hits / 4)).indistinguishable).toBe('shared');
  });

  it('are seen of each service, however small it is among the others', () => {
    const measurement = lived('cccccccc');
    const ofService = (hits: number, both: number) =>
      judgedWindow(defaultPolicy, {
        ...measurement,
        whole: {
          ...measurement.whole,
          overlapping: measurement.whole.canary.map(() => 0),
          overlappingServices: [{ service: 'small', canary: [hits], overlapping: [both] }],
        },
      }).indistinguishable;
    expect(ofService(40, 4)).toBe('shared');
    // Requests that arrive between two queries.
    expect(ofService(40, 3)).toBeUndefined();
    expect(ofService(1_000, 50)).toBeUndefined();
  });

  it('are not concluded from the few spans that arrive between two queries', () => {
    const { canary } = lived('cccccccc').whole;
    expect(overlapping(canary.map((hits) => hits / 100)).indistinguishable).toBeUndefined();
  });
});

describe('the answer to silence', () => {
  const cuj = cujOf();
  const answer = (minutes: string, more: Partial<Measurement> = {}) =>
    judge(
      cuj,
      { ...lived(minutes, more), availability: [endpointOf('GET /a', silent)] },
      { registryDigest: 'd' },
    );

  it.each<[string, string, Partial<Measurement>, string, RegExp]>([
    [
      'none of the traffic is the canary’s',
      'ssssss',
      {},
      'no_canary_traffic',
      /version:v2.*rest of the service had 60.*check the selector/,
    ],
    [
      'the canary has traffic, but not on this CUJ',
      'ssssssscccc',
      {},
      'cuj_not_reached',
      /had 40 requests, none of them on this CUJ/,
    ],
    ['the service has none at all', '......', {}, 'service_silent', /check env, service and operation/],
    [
      'all of the traffic is stable’s',
      'ssssss',
      distinguishable('ssssss'),
      'canary_idle',
      /no request reaches the canary version:v2: all 60 requests of the service match stable/,
    ],
    [
      'some of the traffic is nobody’s',
      'ssssnn',
      distinguishable('ssssnn'),
      'unknown_tag',
      /no request matches the canary version:v2, but 8 requests of the newest minutes match neither it nor stable.*check the version tag/,
    ],
    [
      'all of the traffic is nobody’s, which is no silence of the service',
      'NNNNNN',
      distinguishable('NNNNNN'),
      'unknown_tag',
      /but 12 requests of the newest minutes/,
    ],
    [
      'what was nobody’s is over: the version before stable’s',
      'nnnsss',
      distinguishable('nnnsss'),
      'canary_idle',
      /no request reaches the canary/,
    ],
    [
      'the service has none at all, by either selector or by neither',
      '......',
      distinguishable('......'),
      'service_silent',
      /check env, service and operation/,
    ],
    [
      'the canary had some and stopped',
      'ccccssssss',
      {},
      'canary_stopped',
      /had requests earlier, but none in the window/,
    ],
    [
      'the rollout is younger than the data',
      'cccsss',
      { sinceMs: from + 6 * bucketMs },
      'too_early',
      /query again in one or two minutes/,
    ],
  ])('tells: %s', (_, minutes, more, silence, words) => {
    const verdict = answer(minutes, more);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'no_data', noDataCause: silence });
    expect(verdict.summary).toMatch(words);
    expect(verdict.hint).not.toBe('');
  });

  it('counts the canary’s hits and the rest’s over all that was queried', () => {
    expect(answer('sssssccc').traffic).toEqual({ canary: 30, stable: 80 });
    expect(answer('ssssnn', distinguishable('ssssnn')).traffic).toEqual({
      canary: 0,
      stable: 60,
      unmatchedRecently: 8,
    });
  });
});

describe('the window in the answer', () => {
  const partly = (minutes: string, more: Partial<Measurement> = {}) => {
    const measurement = lived(minutes, more);
    const toMs = measurement.toMs - 20_000;
    return judge(cujOf(), { ...measurement, toMs, availability: [] }, { registryDigest: 'd' });
  };

  it('ends with the data, inside a minute', () => {
    expect(partly('ssssssscccc').window).toEqual({
      from: '2026-01-31T09:07:00.000Z',
      to: '2026-01-31T09:10:40.000Z',
      seconds: 220,
      start: 'first_hit',
    });
  });

  it('begins at its end where it is empty', () => {
    const sinceMs = from + 10 * bucketMs + 5_000;
    expect(partly('ssssssscccc', { sinceMs }).window).toEqual({
      from: '2026-01-31T09:10:40.000Z',
      to: '2026-01-31T09:10:40.000Z',
      seconds: 0,
      start: 'since',
    });
  });

  it('says how much is left out because counts have not arrived, and takes nothing in it for the future', () => {
    // Now is 45 s of lag, 60 s that are left out and 30 s between two questions after the end of the data.
    const sinceMs = from + 11 * bucketMs - 20_000 + 135_000;
    const verdict = partly('ssssssscccc', { sinceMs, incompleteMs: 60_000 });
    expect(verdict.window).toMatchObject({ incompleteSeconds: 60 });
    expect(verdict.noDataCause).toBe('too_early');
    expect(verdict.summary).not.toContain('in the future');
    const later = partly('ssssssscccc', { sinceMs: sinceMs + 31_000, incompleteMs: 60_000 });
    expect(later.summary).toContain('in the future, at least 1 s ahead');
  });

  it('has both ends, and why it begins there', () => {
    const measurement = measurementOf({
      before: 5,
      availability: [endpointOf('GET /a', over(10, 2000, 0), over(10, 9000, 0))],
      whole: { canary: [...Array(5).fill(0), ...Array(10).fill(9)], stable: Array(15).fill(9) },
    });
    expect(judge(cujOf(), measurement, { registryDigest: 'd' }).window).toEqual({
      from: '2026-01-31T09:05:00.000Z',
      to: '2026-01-31T09:15:00.000Z',
      seconds: 600,
      start: 'first_hit',
    });
  });

  it('judges what is inside and nothing else: errors of an aborted first try do not count', () => {
    const canary = {
      total: [...Array(8).fill(500), ...Array(6).fill(0), ...Array(8).fill(500)],
      bad: [50, 50, 50],
    };
    const measurement = measurementOf({ availability: [endpointOf('GET /a', canary, over(22, 90_000, 0))] });
    expect(judge(cujOf(), measurement, { registryDigest: 'd' })).toMatchObject({
      verdict: 'pass',
      window: { start: 'after_gap', seconds: 480 },
    });
  });
});

describe('a canary with little traffic', () => {
  /** One request in so many minutes. */
  const sparse = (every: number, minutes: number, lead = 10) =>
    measurementOf({
      whole: {
        canary: Array.from({ length: lead + minutes }, (_, i) =>
          i >= lead && (i - lead) % every === 0 ? 1 : 0,
        ),
        stable: new Array<number>(lead + minutes).fill(3),
      },
    });

  it('does not begin again after every silence of restartGap', () => {
    expect(judgedWindow(defaultPolicy, sparse(7, 90))).toMatchObject({ first: 10, start: 'first_hit' });
    // The same silence of a canary with ten requests a minute is the end of a life.
    expect(judgedWindow(defaultPolicy, lived('cccsssssscc'))).toMatchObject({ first: 9, start: 'after_gap' });
  });

  it('fails in the end, where everything fails', () => {
    const whole = sparse(7, 90).whole;
    const verdict = judge(
      cujOf(),
      measurementOf({
        whole,
        availability: [
          endpointOf(
            'GET /a',
            { total: [...whole.canary], bad: [...whole.canary] },
            { total: [...whole.stable], bad: [] },
          ),
        ],
      }),
      { registryDigest: 'sha256:0' },
    );
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
  });

  it('is over once the silence is no chance: when it should have held seven requests', () => {
    const minutes = (silent: number) => {
      const canary = [...new Array<number>(10).fill(1), ...new Array<number>(silent).fill(0)];
      return measurementOf({ whole: { canary, stable: canary.map(() => 9) } });
    };
    // 23 · 10 / 33 = 6.97, 24 · 10 / 34 = 7.06.
    expect(judgedWindow(defaultPolicy, minutes(23))).toMatchObject({ first: 0 });
    expect(judgedWindow(defaultPolicy, minutes(24))).toMatchObject({ first: 34, start: 'after_gap' });
  });

  it('goes by the requests that were seen', () => {
    const sampled = { sampleRate: 0.01 };
    const measurement = lived('cccsssssscc', {
      availability: [endpointOf('GET /a', silent, silent, sampled)],
    });
    expect(judgedWindow(defaultPolicy, measurement)).toMatchObject({ first: 0, start: 'max_window' });
  });
});

describe('a canary that crashes and comes back', () => {
  /** Three minutes up, six minutes down; it fails in the third minute of each life. */
  const crashing = (lives: number, more: Partial<Measurement> = {}): Measurement => {
    const life = [50, 50, 50, 0, 0, 0, 0, 0, 0];
    const all = [0, 0, 0, 0, 0, 0, ...Array.from({ length: lives }, () => life).flat()].slice(
      0,
      6 + 9 * lives - 6,
    );
    const stable = { total: all.map(() => 500), bad: [] };
    return {
      ...measurementOf({ availability: [endpointOf('GET /a', { total: all, bad: [] }, stable)] }),
      ...more,
    };
  };
  const gate = { passAfterMs: 120_000, rulesOutRate: 0.25, minRequests: 10 } as const;
  const judgedAs = (measurement: Measurement) =>
    judge(cujOf({ gate }), measurement, { registryDigest: 'sha256:0' });

  it('may pass in its second life, as a retry does', () => {
    expect(judgedAs(crashing(2))).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
  });

  it('does not pass from its third life on, and all lives count', () => {
    const verdict = judgedAs(crashing(3));
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'canary_restarting' });
    expect(verdict.slis[0]).toMatchObject({ total: 450, requestsToVerdict: null });
    expect(verdict.summary).toContain('went silent and came back 2 times: check its pods for crashes');
  });

  it('is judged afresh where the caller says when the rollout began', () => {
    const sinceMs = from + (6 + 18) * bucketMs;
    expect(judgedAs(crashing(3, { sinceMs }))).toMatchObject({ verdict: 'pass' });
  });
});
