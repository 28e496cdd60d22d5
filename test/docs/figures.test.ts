import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { APP_ROUTES } from '../../src/demo/datadog/app-routes.ts';
import { diurnal } from '../../src/demo/datadog/journeys.ts';
import type { CellResult, Setting } from '../benchmark-detection/benchmark.ts';
import type { Results as Detection } from '../benchmark-detection/results.ts';
import type { Size } from '../benchmark-detection/scenarios.ts';
import { faultId, faultShapes } from '../simulate/late-faults.ts';
import type { Results as Verdicts } from '../simulate/simulate.ts';
import type { Results as Rollouts, Tally } from '../simulate-rollouts/tally.ts';

/**
 * The sentences of the documentation that quote simulations. The tables are compared with the results elsewhere; a sentence is not redrawn
 * with them. Where a figure may move by chance, the sentence gives a bound, and the bound is tested.
 */

const root = path.join(import.meta.dirname, '../..');
const text = (page: string) => readFileSync(path.join(root, page), 'utf8').replace(/\s+/g, ' ');
const stored = <T>(folder: string) =>
  JSON.parse(readFileSync(path.join(root, 'test', folder, 'results.json'), 'utf8')) as T;

const verdicts = stored<Verdicts>('simulate');
const rollouts = stored<Rollouts>('simulate-rollouts');
const detection = stored<Detection>('benchmark-detection');

const between = (values: readonly number[]): string => {
  const [least, most] = [Math.round(Math.min(...values)), Math.round(Math.max(...values))];
  return least === most ? String(least) : `${least} to ${most}`;
};

describe('verdicts that are simulated', () => {
  it('are quoted in docs/verdicts.md', () => {
    const passes = (requests: number) => {
      const tally = verdicts.cells.find(({ id }) => id === `n${requests}-x2`)?.confidence;
      return Math.round((100 * (tally?.pass ?? Number.NaN)) / verdicts.runs);
    };
    expect(text('docs/verdicts.md')).toContain(
      `Of releases at twice the allowed rate, ${passes(500)} in 100 pass with 500 requests, ${passes(2_000)} with 2,000, and ${passes(20_000)} with 20,000.`,
    );
  });

  it('take two to three times as long after a clean hour, and no longer where everything fails', () => {
    expect(text('docs/verdicts.md')).toContain('two to three times as long to abort as in the first minutes');
    for (const [requests, multiple] of faultShapes) {
      const at = (onset: number) =>
        verdicts.faultTimes.find(({ id }) => id === faultId(requests, multiple, onset))?.both ?? Number.NaN;
      const ratio = at(60) / at(0);
      const isTotal = multiple * 0.0005 >= 1;
      expect(ratio, `${requests} a minute, ${multiple} times`).toBeGreaterThanOrEqual(isTotal ? 1 : 1.9);
      expect(ratio, `${requests} a minute, ${multiple} times`).toBeLessThanOrEqual(isTotal ? 1 : 3.1);
    }
  });
});

describe('rollouts that are simulated', () => {
  const of = (id: string, size: number) =>
    rollouts.sizes.find(({ release, requestsPerSecond }) => release === id && requestsPerSecond === size) as {
      tally: Tally;
    };
  const share = (id: string, size: number, end: 'promoted' | 'aborted') => {
    const { tally } = of(id, size);
    return tally[end] / tally.runs;
  };

  it('are quoted in README.md', () => {
    expect(text('README.md')).toContain(
      'with 100 requests a second, at least 99 in 100 good releases go through without a person, and a release that breaks one endpoint is typically aborted two minutes after its first failed request',
    );
    expect(share('good', 100, 'promoted')).toBeGreaterThanOrEqual(0.99);
    expect(share('endpoint', 100, 'aborted')).toBeGreaterThanOrEqual(0.99);
    expect(Math.round((of('endpoint', 100).tally.toAbort.median as number) / 60)).toBe(2);
  });

  it('take as long as docs/argo-rollouts.md says', () => {
    const guide = text('docs/argo-rollouts.md');
    expect(guide).toContain('A good release takes 15 to 20 minutes in all, unless its traffic is very low.');
    expect(guide).toContain('Typically detected within two minutes');
    for (const size of [1_000, 100]) {
      const { done } = of('good', size).tally;
      expect(done.median).toBeGreaterThanOrEqual(15 * 60);
      expect(done.p95).toBeLessThanOrEqual(20 * 60);
      expect(of('endpoint', size).tally.toAbort.median).toBeLessThanOrEqual(120);
    }
  });

  it('are aborted for an outage during the bake as often as docs/argo-rollouts.md says', () => {
    expect(text('docs/argo-rollouts.md')).toContain(
      'fewer than half at 100 requests a second, and fewer than one in five at 1,000',
    );
    expect(share('dependency-bake', 100, 'aborted')).toBeLessThan(0.5);
    expect(share('dependency-bake', 1_000, 'aborted')).toBeLessThan(0.2);
  });
});

describe('what is out of reach in simulated rollouts', () => {
  const page = text('docs/rollout-simulation.md');
  const registry = parse(readFileSync(path.join(root, 'config/cujs.yaml'), 'utf8')) as {
    cujs: {
      name: string;
      service: string;
      endpoints: (string | { service?: string; method: string; path: string })[];
    }[];
  };
  /** Requests a minute in the smallest app and the quietest hour, as a share of the app's weights. */
  const perMinute = (weight: number) => (30 * diurnal(0) * 60 * weight) / 100;
  const weightOf = (isMeant: (route: string, service: string) => boolean) =>
    APP_ROUTES.filter(({ route, service }) => isMeant(route, service)).reduce(
      (sum, { weight }) => sum + weight,
      0,
    );
  const isInRegistry = (route: string, service: string) =>
    registry.cujs.some((cuj) =>
      cuj.endpoints.some((endpoint) =>
        typeof endpoint === 'string'
          ? cuj.service === service && endpoint === route
          : (endpoint.service ?? cuj.service) === service && `${endpoint.method} ${endpoint.path}` === route,
      ),
    );
  const thinnest = perMinute(weightOf((route) => route.includes('/identity/')));

  it('follows from the traffic of the thinnest CUJ', () => {
    const canary = thinnest / 4;
    expect(page).toContain(
      `in the quietest hour ${thinnest.toFixed(1)} requests a minute, of which the canary gets ${canary.toFixed(2)} at 25%`,
    );
    expect(page).toContain(`Eleven take ${(11 / canary).toFixed(1)} minutes on average`);
    const cell = rollouts.cells.find(
      ({ release, service, requestsPerSecond, hour }) =>
        release === 'good' && service === 'member-api' && requestsPerSecond === 30 && hour === 'quietest',
    );
    expect(page).toContain(
      `${((cell?.tally.allTraffic.median as number) / 60).toFixed(1)} minutes, which is the median`,
    );
  });

  it('is no time to abort after an outage, over all cells', () => {
    const ratio = (size: number) => {
      const [after, without] = ['outage-before', 'cuj-20x'].map(
        (id) =>
          rollouts.sizes.find(
            ({ release, requestsPerSecond }) => release === id && requestsPerSecond === size,
          )?.tally.toAbort.median as number,
      );
      return ((after as number) / (without as number)).toFixed(2);
    };
    expect(page).toContain(
      `the median is ${ratio(1000)} times as long at 1,000 requests a second, ${ratio(100)} times at 100, and ${ratio(30)} times at 30`,
    );
  });

  it('follows from what stable of a service fails during a bake', () => {
    const silent = (service: string) => {
      const stable = perMinute(weightOf((route, of) => of === service && isInRegistry(route, of))) * 0.05;
      return Math.round(100 * Math.exp((-stable * 0.2 * 50) / 60));
    };
    expect(page).toContain(
      `no failure at all in ${silent('member-api')}% of rollouts of \`member-api\` and ${silent('payment-api')}% of those of \`payment-api\``,
    );
  });
});

describe('docs/detection-benchmark.md', () => {
  const page = text('docs/detection-benchmark.md');
  const steps = (traffics: readonly number[], size: Size) =>
    detection.cells.filter(
      (cell) => cell.shape === 'step' && cell.size === size && traffics.includes(cell.requestsPerMinute),
    );
  const tallyOf = ({ tallies }: CellResult, detector: string, setting: Setting) =>
    tallies[detector]?.[detector === 'cuj-gate' ? 'default' : setting];
  /** Medians in minutes; longer than an hour is infinite. */
  const minutes = (cells: readonly CellResult[], detector: string, setting: Setting = 'at1') =>
    cells.map((cell) => (tallyOf(cell, detector, setting)?.seconds.median ?? Number.POSITIVE_INFINITY) / 60);
  const abortedShares = (cells: readonly CellResult[], detector: string) =>
    cells.map((cell) => {
      const { aborted = Number.NaN, early = 0 } = tallyOf(cell, detector, 'at1') ?? {};
      return aborted / (cell.runs - early);
    });
  const plain = ['talk-service', 'talk-cuj'];
  const argo = ['argo-5m-service', 'argo-1m-service', 'argo-1m-cuj'];
  const kayenta = ['kayenta-60m', 'kayenta-1m'];
  const all = [50, 200, 2_000];
  const tuningOf = (traffic: number) =>
    detection.tunings.find(
      ({ requestsPerMinute }) => requestsPerMinute === traffic,
    ) as (typeof detection.tunings)[number];

  it('says where others win', () => {
    const endpoint = steps(all, 'endpoint');
    const fastest = plain.flatMap((detector) => minutes(endpoint, detector));
    expect(page).toContain(
      `a plain threshold on the newest minute is fastest: ${between(fastest)} minutes, against ${between(minutes(endpoint, 'cuj-gate'))} for the gate.`,
    );
    const much = [...steps([200, 2_000], '20x'), ...steps([2_000], '5x')];
    const tuned = minutes(much, 'talk-cuj');
    expect(page).toContain('that is tuned to exactly this traffic takes 1 to 5 minutes.');
    expect(Math.min(...tuned)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...tuned)).toBeLessThanOrEqual(5);
    expect(page).toContain(`The gate takes ${between(minutes(much, 'cuj-gate'))}.`);
  });

  it('says what the gate finds with little traffic, and the others', () => {
    const large = steps([50], '20x');
    const small = steps([50], '5x');
    const least = Math.min(...plain.flatMap((detector) => minutes(large, detector)));
    expect(page).toContain(
      `At 50 requests a minute it finds 20 times the allowed rate in ${between(minutes(large, 'cuj-gate'))} minutes; the plain thresholds take ${Math.round(least)} or more, and miss two in five or more.`,
    );
    expect(Math.max(...plain.flatMap((detector) => abortedShares(large, detector)))).toBeLessThanOrEqual(0.6);
    expect(page).toContain('it finds a third to two thirds within the hour');
    expect(Math.min(...abortedShares(small, 'cuj-gate'))).toBeGreaterThanOrEqual(0.3);
    expect(Math.max(...abortedShares(small, 'cuj-gate'))).toBeLessThanOrEqual(0.7);
    expect(page).toContain('The best of the others finds at most a quarter.');
    const others = [...plain, ...argo, ...kayenta].flatMap((detector) => abortedShares(small, detector));
    expect(Math.max(...others)).toBeLessThanOrEqual(0.25);
  });

  it('says how much thresholds depend on the traffic', () => {
    const ratios = (detectors: readonly string[]) =>
      detectors.flatMap((detector) =>
        (['at1', 'at0.2'] as const).map((setting) => {
          const at = (traffic: number) =>
            tuningOf(traffic).detectors[detector]?.[setting].threshold ?? Number.NaN;
          return at(50) / at(2_000);
        }),
      );
    const less = all.flatMap((traffic) => {
      const { lessTraffic } = tuningOf(traffic);
      return lessTraffic === null
        ? []
        : [...plain, ...argo].map((detector) => (lessTraffic.detectors[detector] ?? 0) / lessTraffic.runs);
    });
    expect(page).toContain(
      `At 50 requests a minute the plain thresholds are ${between(ratios(plain))} times what they are at 2,000, and Argo's ${between(ratios(argo))} times. The threshold of the day aborts up to ${Math.round(100 * Math.max(...less))}% of the good releases of the night.`,
    );
  });

  it('says what the gate does to good releases with bursts and outages', () => {
    const bursts = all.map((traffic) => {
      const { gate, runs } = tuningOf(traffic).bursts;
      return (100 * gate) / runs;
    });
    expect(page).toContain(
      `With bursts of ten, the gate aborts at most ${Math.max(...bursts)}% of the good releases within an hour`,
    );
    for (const traffic of all) {
      const { dependency } = tuningOf(traffic);
      expect(dependency.gate).toBe(0);
      for (const detector of [...plain, 'argo-1m-service', 'argo-1m-cuj'])
        expect(dependency.detectors[detector], detector).toBe(dependency.runs);
      for (const detector of ['argo-5m-service', ...kayenta])
        expect(dependency.detectors[detector], detector).toBe(0);
    }
  });

  it('says what nobody reaches', () => {
    expect(page).toContain('A detector that knows the fault takes at least some 40 s');
    const known = minutes(
      all.flatMap((traffic) => steps([traffic], 'endpoint')),
      'known-fault',
    );
    expect(Math.min(...known) * 60).toBeGreaterThanOrEqual(37);
    expect(Math.min(...known) * 60).toBeLessThanOrEqual(45);
    expect(page).toContain('even that detector takes half an hour, and misses a quarter or more.');
    expect(Math.max(...abortedShares(steps([50], '5x'), 'known-fault'))).toBeLessThanOrEqual(0.75);
    for (const median of minutes(steps([50], '5x'), 'known-fault')) {
      expect(median).toBeGreaterThanOrEqual(20);
      expect(median).toBeLessThanOrEqual(40);
    }
  });

  it('says what the others do as documented', () => {
    const share = (traffic: number, detector: string, release: 'at1' | 'at0.2') =>
      (tuningOf(traffic).detectors[detector]?.default.aborted[release] ?? Number.NaN) /
      tuningOf(traffic).runs;
    expect(page).toContain(
      'aborts three quarters or more of the releases that are on their SLO, and a tenth or more of the ordinary ones',
    );
    for (const traffic of all) {
      for (const detector of plain) {
        expect(share(traffic, detector, 'at1'), detector).toBeGreaterThanOrEqual(0.75);
        expect(share(traffic, detector, 'at0.2'), detector).toBeGreaterThanOrEqual(0.1);
      }
    }
    expect(page).toContain('does not see 20 times the allowed rate of a CUJ that is a fifth of its service');
    for (const cell of steps(all, '20x'))
      expect(tallyOf(cell, 'argo-5m-service', 'default')?.aborted).toBe(0);
    expect(page).toContain('needs 20 minutes for an endpoint that fails completely');
    expect(between(minutes(steps(all, 'endpoint'), 'argo-5m-service', 'default'))).toBe('20');
    expect(page).toContain(
      'aborts more than half of the releases that are on their SLO but worse than stable at 2,000 requests a minute',
    );
    expect(share(2_000, 'kayenta-1m', 'at1')).toBeGreaterThan(0.5);
    expect(tuningOf(2_000).detectors['kayenta-1m']?.at1.threshold).toBeNull();
  });
});
