import { describe, expect, it } from 'vitest';
import { type JudgeOptions, judge, unknownVerdict, type Verdict } from '../../../src/domain/judge/judge.ts';
import { judgeService } from '../../../src/domain/judge/judge-service.ts';
import { percent, plain, rolloutsOf } from '../../../src/domain/judge/number-text.ts';
import { summaryText } from '../../../src/domain/judge/summary.ts';
import { joinedWords } from '../../../src/domain/registry/backend-words.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { prometheusDialect } from '../../../src/sources/prometheus/query/dialect.ts';
import { cujOf, endpointOf, measurementOf, over } from './journey.ts';

const options = { registryDigest: 'sha256:test' };

describe('the summary of a violation under strict', () => {
  const measurement = measurementOf({
    before: 6,
    availability: [endpointOf('GET /a', over(4, 2001, 2), over(4, 9000, 0))],
  });

  it('names the rule, not evidence that would fail nothing', () => {
    const { summary } = judge(cujOf({ gate: { rule: 'strict' } }), measurement, options);
    expect(summary).toBe(
      'FAIL login (slo_violated): 2 of 2001 requests failed (99.9%, objective 99.95%, burn 2x); stable 0 of 9000; the rule strict fails below the objective',
    );
  });

  it('says that the error budget policy made it the rule, for a service as well', () => {
    const budgetRule = { rule: 'strict', because: 'errorBudgetPolicy: nothing is left' } as const;
    const verdict = judge(cujOf(), measurement, { ...options, budgetRule });
    expect(verdict.summary).toMatch(
      /; the rule strict, set by the error budget policy, fails below the objective$/,
    );
    const service = judgeService('shop', 'sha256:test', [verdict]);
    expect(service.summary).toContain('set by the error budget policy');
    expect(service.cujs[0]).toMatchObject({ rule: 'strict', ruleChangedBy: budgetRule.because });
  });

  it('carries why a budget is not known into the verdict on a service', () => {
    const verdict = judge(cujOf(), measurement, { ...options, budgetNote: 'not read yet' });
    expect(judgeService('shop', 'sha256:test', [verdict]).cujs[0]).toMatchObject({
      rule: 'confidence',
      budgetNote: 'not read yet',
    });
  });
});

describe('numbers in a summary', () => {
  it.each([
    [0, '0'],
    [1e12, '1000000000000'],
    [0.00000001, '0'],
    [0.04, '0.04'],
    [4.5678, '4.6'],
    [99.96, '100'],
    [1234.5, '1235'],
  ])('%f reads %s', (value, text) => {
    expect(plain(value)).toBe(text);
  });

  it.each([
    [0.3, 0],
    [1.99, 1],
    [20, 20],
    [23.7, 23],
    [114.99, 114],
    [626_202, 626_000],
    [999_999, 999_000],
    [1e6, 1e6],
    [1e12, 1e6],
  ])(
    'evidence of %d is fewer than 1 of %d rollouts: rounded down, so that the sentence stays true',
    (evidence, n) => {
      expect(rolloutsOf(evidence)).toBe(n);
    },
  );

  it('never states less than the threshold that the evidence reached', () => {
    expect(rolloutsOf(1e12, 2e9)).toBe(2e9);
  });

  it.each([
    [1, '100%'],
    [0.9995, '99.95%'],
    [0.9994999, '99.949%'],
    [0.99999999, '99.999%'],
    [0, '0%'],
    [0.00001, '0.001%'],
    [0.29, '29%'],
  ])('a ratio of %f reads %s: rounded down, so that a miss never reads as a hit', (ratio, text) => {
    expect(percent(ratio)).toBe(text);
  });

  it('prints every objective that can be written as it was written', () => {
    for (let thousandths = 1; thousandths < 100_000; thousandths += 7) {
      expect(percent(thousandths / 100_000)).toBe(`${thousandths / 1000}%`);
    }
  });
});

describe('the text of a summary', () => {
  it.each([
    ['<b>&amp;', '(b)+amp;'],
    ['two\nlines\r\n\u2028three\t', 'two lines three'],
    ['bell\u0007 zero\u200bwidth \u202eright', 'bell zero width right'],
    ['lone \ud800 half', 'lone half'],
    ['日本語のまま', '日本語のまま'],
  ])('%j becomes %j', (raw, text) => {
    expect(summaryText(raw)).toBe(text);
  });

  it('is cut to 300 units without halving a character', () => {
    const cut = summaryText(`${'x'.repeat(296)}😀😀😀`);
    expect(cut.length).toBeLessThanOrEqual(300);
    expect(cut).toBe(`${'x'.repeat(296)}...`);
    expect(summaryText('y'.repeat(300))).toBe('y'.repeat(300));
  });
});

function verdictOf(wishes: {
  name?: string;
  n: number;
  e: number;
  mode?: 'enforce' | 'observe';
  stable?: [number, number];
  labels?: string[];
}): Verdict {
  const { n, e, name = 'login', mode = 'enforce', stable = [10 * wishes.n, 0], labels = ['GET /a'] } = wishes;
  const availability = labels.map((label) => endpointOf(label, over(10, n, e), over(10, ...stable)));
  return judge(cujOf({ name, mode }), measurementOf({ availability }), options);
}

describe('the summary of a CUJ', () => {
  it.each([
    [
      'a fail names numbers, worst endpoint, stable and what the evidence means',
      verdictOf({ n: 1000, e: 10, labels: ['GET /a', 'POST /b'] }),
      /^FAIL login \(slo_violated\): 20 of 2000 requests failed \(99%, objective 99\.95%, burn 20x\), worst GET \/a 10 of 1000; stable 0 of 20000; a service meeting its SLO does this in fewer than 1 of \d+ rollouts; aborts at 1 in 20$/,
    ],
    [
      'a pass is short',
      verdictOf({ n: 5000, e: 1 }),
      'PASS login (within_slo): 1 of 5000 requests failed (99.98%, objective 99.95%, burn 0.4x)',
    ],
    [
      'a clean pass has no burn',
      verdictOf({ n: 5000, e: 0 }),
      'PASS login (within_slo): 0 of 5000 requests failed (100%, objective 99.95%)',
    ],
    [
      'little traffic says what it takes either way',
      verdictOf({ n: 100, e: 0 }),
      'INCONCLUSIVE login (insufficient_traffic): 0 of 100 requests failed (100%, objective 99.95%); passes after 315 more clean requests, fails at 2 failed',
    ],
    [
      'noise is called noise',
      verdictOf({ n: 2000, e: 2 }),
      'INCONCLUSIVE login (within_noise): 2 of 2000 requests failed (99.9%, objective 99.95%, burn 2x), below the objective by no more than chance; passes after 2000 more clean requests, fails at 6 failed',
    ],
    [
      'a shared cause shows stable',
      verdictOf({ n: 2000, e: 20, stable: [20_000, 200] }),
      /but stable fails as well: 200 of 20000$/,
    ],
  ])('%s', (_, verdict, expected) => {
    expect(verdict.summary).toMatch(
      expected instanceof RegExp
        ? expected
        : new RegExp(`^${expected.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
    );
  });

  it('leaves no loose end where nothing can be promised', () => {
    const lonely = verdictOf({ n: 100, e: 0, stable: [0, 0] });
    expect(lonely.summary).toBe(
      'INCONCLUSIVE login (insufficient_traffic): 0 of 100 requests failed (100%, objective 99.95%); fails at 2 failed',
    );
  });

  it('of every hostile label and message is one clean line of at most 300 that begins with the verdict', () => {
    const labels = [
      '<script>&\n"FAIL"\u2028',
      `GET /${'長'.repeat(400)}`,
      'PASS \u0000\u202e',
      `POST /${'😀'.repeat(200)}`,
    ];
    const summaries = [
      verdictOf({ n: 1000, e: 10, labels }).summary,
      verdictOf({ n: 1000, e: 1, labels }).summary,
      ...labels.map(
        (message) =>
          unknownVerdict(
            cujOf(),
            { reason: 'source_rejected', message, hint: '' },
            { canary: '', stable: '' },
            options,
          ).summary,
      ),
    ];
    for (const summary of summaries) {
      expect(summary).toMatch(/^(PASS|FAIL|INCONCLUSIVE) login \([a-z_]+\): /);
      expect(summary).not.toMatch(/[<>&\p{C}\p{Zl}]/u);
      expect(summary.length).toBeLessThanOrEqual(300);
    }
  });
});

describe('the verdict on a service', () => {
  const pass = verdictOf({ name: 'like', n: 5000, e: 0 });
  const fail = verdictOf({ name: 'signup', n: 2000, e: 40 });
  const noise = verdictOf({ name: 'message', n: 2000, e: 3 });
  const little = verdictOf({ name: 'discover', n: 10, e: 0 });
  const watched = verdictOf({ name: 'report', n: 2000, e: 40, mode: 'observe' });

  it('is the worst of its CUJs, worst first, those that observe last', () => {
    const verdict = judgeService('matching-api', 'd', [pass, watched, noise, fail, little]);
    expect(verdict).toMatchObject({ verdict: 'fail', ok: false, reason: 'slo_violated', hint: fail.hint });
    expect(verdict.cujs.map(({ cuj }) => cuj)).toEqual(['signup', 'message', 'discover', 'like', 'report']);
    expect(verdict.summary).toMatch(
      /^FAIL matching-api \(slo_violated\): 1 of 4 CUJs: signup \(slo_violated\): 40 of 2000/,
    );
  });

  it('takes a real doubt for worse than a lack of traffic', () => {
    const verdict = judgeService('matching-api', 'd', [little, noise, pass]);
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    expect(verdict.summary).toContain('2 of 3 CUJs: message');
    expect(verdict.summary).toMatch(/; also discover$/);
  });

  it('passes when all pass, whatever those that observe say', () => {
    expect(judgeService('matching-api', 'd', [watched, pass])).toMatchObject({
      verdict: 'pass',
      ok: true,
      summary: 'PASS matching-api (within_slo): its CUJ passes: like 100% of 5000',
    });
  });

  it('is inconclusive where no CUJ is enforced: there is nothing to pass', () => {
    expect(judgeService('matching-api', 'd', [watched])).toMatchObject({
      verdict: 'inconclusive',
      ok: false,
      reason: 'no_enforced_cujs',
    });
  });

  it('stays one line of 300 with dozens of CUJs', () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      verdictOf({ name: `journey-${'x'.repeat(30)}-${i}`, n: 2000, e: 40 }),
    );
    const { summary } = judgeService('matching-api', 'd', many);
    expect(summary.length).toBeLessThanOrEqual(300);
    expect(summary).toMatch(/^FAIL matching-api \(slo_violated\): 60 of 60 CUJs: journey-x/);
  });
});

describe('the hint of a service that does not meet its objective', () => {
  it('says that the release is not the cause, and what to set', () => {
    const below = verdictOf({ n: 3000, e: 3, stable: [30_000, 90] });
    expect(below.reason).toBe('within_noise');
    expect(below.hint).toMatch(/Stable does not meet the objective either.*rule: baseline/);
  });

  it('is to wait where stable meets it', () => {
    const noise = verdictOf({ n: 3000, e: 3 });
    expect(noise.reason).toBe('within_noise');
    expect(noise.hint).toMatch(/^Wait/);
  });
});

describe('hints that speak of the backend', () => {
  const silent = measurementOf({ availability: [endpointOf('GET /a', over(30, 0, 0), over(30, 900, 0))] });
  const stable = { canary: new Array(30).fill(0), stable: new Array(30).fill(30) };
  const cases = {
    no_canary_traffic: { ...silent, whole: stable },
    unknown_tag: {
      ...silent,
      whole: { ...stable, unmatched: new Array(30).fill(5), overlapping: new Array(30).fill(0) },
    },
    canary_indistinguishable: measurementOf({
      availability: [endpointOf('GET /a', over(30, 90_000, 0))],
    }),
    source_stale: {
      ...silent,
      sourceTraffic: [{ services: ['shop'], hits: [...new Array(20).fill(9), ...new Array(6).fill(0)] }],
    },
    clock_skew: { ...silent, clockSkewMs: 90_000 },
  };
  const hintsOf = (more: Pick<JudgeOptions, 'backend'>) =>
    Object.entries(cases).map(([expected, measurement]) => {
      const { reason, noDataCause, hint } = judge(cujOf(), measurement, { ...options, ...more });
      expect(noDataCause ?? reason).toBe(expected);
      return hint;
    });

  it('name it, and what gives it the version', () => {
    const { backend, versionTag, addressSetting } = datadogDialect;
    expect(hintsOf({ backend: { backend, versionTag, addressSetting } })).toEqual([
      "Compare the tags of the new pods' requests in Datadog with version:v2. If the template passes a label of the Rollout itself, the pods must report the same (DD_VERSION or the label tags.datadoghq.com/version): cuj-gate lint rollout compares them.",
      "Compare the tags of the service's requests in Datadog with version:v2 and the rest. If the template passes a label of the Rollout itself, the pods must report the same (DD_VERSION or the label tags.datadoghq.com/version): cuj-gate lint rollout compares them.",
      'Make canary and stable differ in a tag that Datadog stores: for example, set DD_VERSION or the label tags.datadoghq.com/version to the pod template hash.',
      "Wait: the gate judges again as soon as data arrives. Check Datadog's status page and the agents of these services. If the services get no requests any more, wait until they do.",
      "Correct the clock of the gate's node (NTP). If DD_URL is a proxy, it must not change the Date of Datadog's responses.",
    ]);
  });

  it('have the words of Prometheus for its users', () => {
    const texts = hintsOf({ backend: prometheusDialect });
    expect(texts[1]).toBe(
      "Compare the labels of the service's series in Prometheus with version:v2 and the rest. If the template passes a label of the Rollout itself, the pods must report the same (the label that the canary selector names): cuj-gate lint rollout compares them.",
    );
    expect(texts[3]).toContain('Check the targets of these services in Prometheus (up)');
    for (const text of texts) expect(text).not.toMatch(/\btags?\b|agent|Datadog|operation/);
    const nothing = judge(
      cujOf(),
      { ...silent, whole: { canary: new Array(30).fill(0), stable: new Array(30).fill(0) } },
      { ...options, backend: prometheusDialect },
    );
    expect(nothing.noDataCause).toBe('service_silent');
    expect(nothing.summary).toContain('check the name of the service and the matchers of its source');
  });

  it('have the words of both where both are asked', () => {
    const [first, , , stale] = hintsOf({ backend: joinedWords([datadogDialect, prometheusDialect]) });
    expect(first).toContain(
      "Compare the tags or labels of the new pods' requests or series in Datadog and Prometheus",
    );
    expect(stale).toContain(
      "Check Datadog's status page and the agents of these services and the targets of",
    );
  });

  it('make sense where nobody says which backend it is', () => {
    expect(hintsOf({})).toEqual([
      "Compare the tags of the new pods' requests in the metrics backend with version:v2. If the template passes a label of the Rollout itself, the pods must report the same (the version): cuj-gate lint rollout compares them.",
      "Compare the tags of the service's requests in the metrics backend with version:v2 and the rest. If the template passes a label of the Rollout itself, the pods must report the same (the version): cuj-gate lint rollout compares them.",
      'Make canary and stable differ in a tag that the metrics backend stores: for example, set the version to the pod template hash.',
      "Wait: the gate judges again as soon as data arrives. Check the metrics backend's status page and the agents of these services. If the services get no requests any more, wait until they do.",
      "Correct the clock of the gate's node (NTP). If the address of the backend is a proxy, it must not change the Date of the metrics backend's responses.",
    ]);
  });
});

describe('hints about the version that was passed', () => {
  const silent = measurementOf({ availability: [endpointOf('GET /a', over(30, 0, 0), over(30, 900, 0))] });
  const noCanary = {
    ...silent,
    whole: { canary: new Array(30).fill(0), stable: new Array(30).fill(30) },
  };
  const late = { total: [0, 0, 0, 0, 0, 0, 0, 0, 100, 100], bad: [] };
  const swapped = measurementOf({ availability: [endpointOf('GET /a', over(10, 5000, 0), late)] });
  const byVersion = { canary: ['version'], stable: [] };
  const byBoth = { canary: ['version'], stable: ['stable_version'] };
  const byRole = { canary: [], stable: [] };
  const hintOf = (
    measurement: typeof silent,
    selectors: { canary: string; stable: string },
    selectorParams: NonNullable<JudgeOptions['selectorParams']>,
  ) => judge(cujOf(), { ...measurement, selectors }, { ...options, selectorParams }).hint;
  const rest = { canary: 'version:v1', stable: 'the rest' };
  const both = { canary: 'version:v1', stable: 'version:v2' };
  const role = { canary: 'role:canary', stable: 'role:stable' };

  it("name a label of the Rollout that was not changed with its pods'", () => {
    expect(hintOf(noCanary, rest, byVersion)).toMatch(/label of the Rollout itself.*cuj-gate lint rollout/);
    expect(hintOf(swapped, rest, byVersion)).toMatch(
      /^version:v1 is the version before: the template must pass that of the new pods .*label of the Rollout itself/,
    );
    // The registry has stable_version, and the template does not pass it.
    expect(hintOf(swapped, rest, byBoth)).not.toContain('stable_version');
  });

  it('say to swap two versions only where two are passed', () => {
    expect(hintOf(swapped, both, byBoth)).toBe(
      'Swap the two in the template (version, stable_version): version:v1 is the version before, version:v2 the new one.',
    );
  });

  it('name no parameter, and no label, where the selectors take none', () => {
    for (const measurement of [noCanary, swapped]) {
      const hint = hintOf(measurement, role, byRole);
      expect(hint).toContain('role:canary');
      expect(hint).not.toMatch(/stable_version|label|template/);
    }
  });
});
