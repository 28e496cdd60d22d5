import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/domain/judge/judge.ts';
import type { AskedAbout, GivenEntry } from '../../src/domain/ports/verdict-history.ts';
import { AskedReleases, keyOf } from '../../src/verdict-history/asked-releases.ts';

const startMs = Date.UTC(2026, 10, 24, 12);

const about = (version: string): AskedAbout => ({ kind: 'cuj', name: 'signup', params: { version } });

/** As far as the table reads it. */
function verdictOf(verdict: Verdict['verdict'], evidence: number): Verdict {
  const sli = {
    sli: 'availability',
    verdict,
    reason: 'within_noise',
    evidence,
    evidenceThreshold: 20,
    rulesOutRate: 0.1,
    total: 500,
    bad: 1,
  };
  return {
    verdict,
    reason: verdict === 'fail' ? 'slo_violated' : verdict === 'pass' ? 'within_slo' : 'within_noise',
    summary: `${verdict} signup`,
    cuj: 'signup',
    services: ['member-api'],
    canary: 'version:v2',
    stable: 'the rest',
    slis: [sli],
  } as unknown as Verdict;
}

function entryOf(atMs: number, of: AskedAbout, verdict: Verdict, toMs = atMs - 45_000): GivenEntry {
  const judged = [{ verdict, measurement: { toMs } }] as unknown as GivenEntry['judged'];
  return { atMs, about: of, caller: undefined, verdict, judged };
}

function table(share = false) {
  const clock = { nowMs: startMs };
  const releases = new AskedReleases({ now: () => clock.nowMs, share });
  const note = (of: AskedAbout, verdict: Verdict, toMs?: number) =>
    releases.note(keyOf(of), `${keyOf(of)} `, entryOf(clock.nowMs, of, verdict, toMs));
  return { clock, releases, note };
}

describe('the releases in progress', () => {
  it('are worst first, and leave after ten minutes without a question', () => {
    const { clock, releases, note } = table();
    note(about('v1'), verdictOf('pass', 0));
    note(about('v2'), verdictOf('fail', 50));
    clock.nowMs += 60_000;
    note(about('v3'), verdictOf('inconclusive', 2));
    const names = () => releases.inProgress().map((one) => one.about.params.version);
    expect(names()).toEqual(['v2', 'v3', 'v1']);
    clock.nowMs = startMs + 10 * 60_000 + 1;
    expect(names()).toEqual(['v3']);
  });

  it('count all questions, from the first to the last', () => {
    const { clock, releases, note } = table();
    note(about('v1'), verdictOf('inconclusive', 1));
    clock.nowMs += 30_000;
    note(about('v1'), verdictOf('fail', 50));
    expect(releases.inProgress()).toMatchObject([
      {
        firstAskedMs: startMs,
        lastAskedMs: startMs + 30_000,
        asked: 2,
        latest: { verdict: 'fail', reason: 'slo_violated', summary: 'fail signup' },
      },
    ]);
  });

  it('begin anew where the same version was silent for an hour', () => {
    const { clock, releases, note } = table();
    note(about('v1'), verdictOf('pass', 0));
    clock.nowMs += 3_600_001;
    note(about('v1'), verdictOf('pass', 0));
    expect(releases.inProgress()).toMatchObject([{ firstAskedMs: clock.nowMs, asked: 1 }]);
  });

  it('are noted again, with the same verdict, after there was no room for them', () => {
    const { releases, note } = table();
    const verdict = verdictOf('fail', 50);
    note(about('v1'), verdict);
    for (let i = 0; i < 1_000; i += 1) note(about(`other${i}`), verdictOf('pass', 0));
    expect(releases.looksOf(about('v1'))).toEqual([]);
    note(about('v1'), verdict);
    expect(releases.inProgress()[0]).toMatchObject({ about: about('v1'), latest: { verdict: 'fail' } });
  });

  it('are the same release whatever the order of the parameters', () => {
    const of = (params: Record<string, string>): AskedAbout => ({ kind: 'service', name: 'a', params });
    expect(keyOf(of({ a: '1', b: '2' }))).toBe(keyOf(of({ b: '2', a: '1' })));
    expect(keyOf(of({ a: '1' }))).not.toBe(keyOf({ ...of({ a: '1' }), kind: 'cuj' }));
  });
});

describe('looks', () => {
  it('are one for each data, with how often it was given', () => {
    const { clock, releases, note } = table();
    const verdict = verdictOf('inconclusive', 1);
    note(about('v1'), verdict, 5);
    clock.nowMs += 10_000;
    note(about('v1'), verdict, 5);
    clock.nowMs += 10_000;
    note(about('v1'), verdictOf('inconclusive', 3), 6);
    expect(releases.looksOf(about('v1'))).toMatchObject([
      {
        atMs: startMs,
        lastAtMs: startMs + 10_000,
        times: 2,
        dataUntilMs: 5,
        slis: [{ cuj: 'signup', sli: 'availability', evidence: 1, rulesOutRate: 0.1, total: 500, bad: 1 }],
      },
      { atMs: startMs + 20_000, times: 1, dataUntilMs: 6, slis: [{ evidence: 3 }] },
    ]);
    expect(releases.looksOf(about('v2'))).toEqual([]);
  });

  it('are bounded for each release and in all', () => {
    const { clock, releases, note } = table();
    for (let i = 0; i < 1_500; i += 1) {
      clock.nowMs += 1_000;
      note(about('v1'), verdictOf('inconclusive', i), i);
    }
    const looks = releases.looksOf(about('v1'));
    expect(looks).toHaveLength(1_000);
    expect(looks.at(-1)?.dataUntilMs).toBe(1_499);
    for (let i = 0; i < 5_000; i += 1) note(about(`other${i}`), verdictOf('pass', 0));
    expect(releases.looksOf(about('v1'))).toEqual([]);
    expect(releases.inProgress()).toHaveLength(200);
  });
});

describe('a verdict that was given again', () => {
  const ofService = (cujs: number) => {
    const verdicts = Array.from({ length: cujs }, () => verdictOf('pass', 0));
    const judged = verdicts.map((verdict) => ({ verdict, measurement: { toMs: startMs } }));
    return { ...entryOf(startMs, about('v1'), verdictOf('pass', 0)), judged } as unknown as GivenEntry;
  };
  const key = keyOf(about('v1'));

  it('is recognised for each of many questions', () => {
    const { releases } = table();
    const entry = ofService(5);
    for (let i = 0; i < 1_500; i += 1) releases.note(key, `${key} ${i}`, entry);
    expect(releases.note(key, `${key} 0`, entry)).toBe(true);
  });

  it('is recognised for fewer questions where they are about many CUJs', () => {
    const { releases } = table();
    const entry = ofService(100);
    for (let i = 0; i < 200; i += 1) releases.note(key, `${key} ${i}`, entry);
    expect(releases.note(key, `${key} 0`, entry)).toBe(false);
    expect(releases.note(key, `${key} 199`, entry)).toBe(true);
  });
});

describe('news for other replicas', () => {
  it('are additive, so that two replicas count as one that was asked everything', () => {
    const { clock, releases: here, note } = table(true);
    const there = new AskedReleases({ now: () => clock.nowMs, share: false });
    const verdict = verdictOf('inconclusive', 1);
    for (let i = 0; i < 6; i += 1) {
      clock.nowMs += 10_000;
      note(about('v1'), i < 4 ? verdict : verdictOf('fail', 30 + i), i < 4 ? 1 : 2 + i);
      if (i % 3 === 2) for (const one of here.takeNews()) there.merge(one);
    }
    expect(here.takeNews()).toEqual([]);
    expect(there.inProgress()).toEqual(here.inProgress());
    expect(there.looksOf(about('v1'))).toEqual(here.looksOf(about('v1')));
  });

  it('of an earlier time do not replace what was given later', () => {
    const { clock, releases, note } = table();
    const other = table(true);
    other.note(about('v1'), verdictOf('pass', 0));
    clock.nowMs += 60_000;
    note(about('v1'), verdictOf('fail', 50));
    for (const one of other.releases.takeNews()) releases.merge(one);
    expect(releases.inProgress()).toMatchObject([
      { asked: 2, firstAskedMs: startMs, latest: { verdict: 'fail' } },
    ]);
    expect(releases.looksOf(about('v1')).map(({ verdict }) => verdict)).toEqual(['pass', 'fail']);
  });
});
