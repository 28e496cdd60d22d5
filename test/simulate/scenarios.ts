import { budget, type Scenario, type SimulatedEndpoint } from './rollout.ts';

/** Canary requests over the ten analyses of the first table. */
export const sizes = [500, 2000, 6000, 20_000] as const;
/** True rates of bad events as multiples of the allowed one. */
export const multiples = [0.2, 0.6, 1, 2, 5, 10, 20] as const;

function evenly(
  endpoints: number,
  canary: SimulatedEndpoint['canary'],
  stable: SimulatedEndpoint['stable'],
): SimulatedEndpoint[] {
  return Array.from({ length: endpoints }, () => ({ share: 1 / endpoints, canary, stable }));
}

/** A single endpoint, ten analyses: the cells of the first table. */
const grid: Scenario[] = sizes.flatMap((n) =>
  multiples.map((multiple) => ({
    id: `n${n}-x${multiple}`,
    name: `${n} requests, ${multiple} times the allowed rate`,
    looks: 10,
    canaryRequests: n / 10,
    stableRequests: (9 * n) / 10,
    endpoints: evenly(1, multiple * budget, 0.2 * budget),
  })),
);

/** Two hours with an analysis every minute. */
const long: Scenario[] = ([0.6, 1, 2, 5] as const).map((multiple) => ({
  id: `long-x${multiple}`,
  name: `120 looks, 20,000 requests on five endpoints, ${multiple} times the allowed rate`,
  looks: 120,
  canaryRequests: 20_000 / 120,
  stableRequests: (9 * 20_000) / 120,
  endpoints: evenly(5, multiple * budget, 0.2 * budget),
}));

/** 19 good endpoints and a bad one, with its share of the traffic. */
function oneOf(share: number, canary: number, stable: number, others = 0.2 * budget): SimulatedEndpoint[] {
  return [
    ...Array.from({ length: 9 }, () => ({ share: (1 - share) / 9, canary: others, stable: 0.2 * budget })),
    { share, canary, stable },
  ];
}

const ten = { looks: 10, canaryRequests: 200, stableRequests: 1800 } as const;
const weights = [0.05, 0.05, 0.05, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 1, 1, 1];
const weightAt = (minute: number) => weights[minute - 1] ?? 1;
const steps = {
  looks: weights.length,
  canaryRequests: (minute: number) => 1000 * weightAt(minute),
  stableRequests: (minute: number) => (minute === 0 ? 950 : 1000 * (1 - weightAt(minute))),
} as const;

/** Errors in bursts, on both sides alike. */
const bursts = {
  looks: 10,
  canaryRequests: 2000,
  stableRequests: 18_000,
  historyMinutes: 110,
  endpoints: evenly(1, 0.6 * budget, 0.6 * budget),
  burst: 10,
} as const;

/** Cases that naive gates get wrong. `good`: an abort would be wrong. */
export const cases: (Scenario & { readonly good: boolean })[] = [
  {
    id: 'small-endpoint',
    name: 'one endpoint of 1% of the traffic fails 20% (20,000 requests)',
    good: false,
    looks: 10,
    canaryRequests: 2000,
    stableRequests: 18_000,
    endpoints: oneOf(0.01, 0.2, 0.2 * budget),
  },
  {
    id: 'small-endpoint-few',
    name: 'one endpoint of 2% of the traffic breaks at 5% (2,000 requests)',
    good: false,
    ...ten,
    endpoints: oneOf(0.02, 0.05, 0.2 * budget),
  },
  {
    id: 'known-broken',
    name: 'one endpoint of 20% of the traffic has always failed at 20 times the allowed rate, on stable too',
    good: true,
    ...ten,
    endpoints: oneOf(0.2, 20 * budget, 20 * budget, 0),
  },
  {
    id: 'known-broken-worse',
    name: 'the same, and the release breaks another endpoint at 5%',
    good: false,
    ...ten,
    endpoints: [
      ...oneOf(0.2, 20 * budget, 20 * budget, 0).slice(1),
      { share: (1 - 0.2) / 9, canary: 0.05, stable: 0 },
    ],
  },
  {
    id: 'bursts',
    name: 'errors in bursts of 10, 0.6 times the allowed rate (20,000 requests)',
    good: true,
    ...bursts,
  },
  {
    id: 'bursts-1',
    name: 'the same with dispersion: 1',
    good: true,
    ...bursts,
    dispersion: 1,
  },
  {
    id: 'bursts-long',
    name: 'the same over 120 looks (240,000 requests)',
    good: true,
    ...bursts,
    looks: 120,
  },
  {
    id: 'bursts-long-1',
    name: 'the same over 120 looks with dispersion: 1',
    good: true,
    ...bursts,
    looks: 120,
    dispersion: 1,
  },
  {
    id: 'bursts-long-quiet',
    name: 'the same over 120 looks, a tenth of the traffic (24,000 requests)',
    good: true,
    ...bursts,
    looks: 120,
    canaryRequests: 200,
    stableRequests: 1800,
  },
  {
    id: 'outage-before',
    name: 'an hour before, stable had an outage of five minutes at 100 times the allowed rate; the canary fails at 20 times',
    good: false,
    ...ten,
    historyMinutes: 110,
    endpoints: evenly(4, 20 * budget, (minute: number) =>
      minute > -65 && minute <= -60 ? 100 * budget : 0.2 * budget,
    ),
  },
  {
    id: 'shared-cause',
    name: 'a dependency fails: canary and stable both at 20 times the allowed rate',
    good: true,
    ...ten,
    endpoints: evenly(4, 20 * budget, 20 * budget),
  },
  {
    id: 'outside-fault',
    name: 'a dependency fails from the sixth minute on: canary and stable both at 20 times the allowed rate',
    good: true,
    ...ten,
    endpoints: Array.from({ length: 4 }, () => ({
      share: 0.25,
      canary: (minute: number) => (minute < 6 ? 0.2 : 20) * budget,
      stable: (minute: number) => (minute < 6 ? 0.2 : 20) * budget,
    })),
  },
  {
    id: 'steps-outside-fault',
    name: 'weights 5, 25, 50, 100%; from 50% on an outside fault at 20 times the allowed rate',
    good: true,
    ...steps,
    endpoints: [
      {
        share: 1,
        canary: (minute) => (minute < 7 ? 0.2 : 20) * budget,
        stable: (minute) => (minute < 7 ? 0.2 : 20) * budget,
      },
    ],
  },
  {
    id: 'steps-broken',
    name: 'weights 5, 25, 50, 100%; the release fails at 10 times the allowed rate',
    good: false,
    ...steps,
    endpoints: evenly(1, 10 * budget, 0.2 * budget),
  },
  {
    id: 'second-attempt',
    name: 'a first attempt at 100 times the allowed rate, aborted; six minutes later a good one under the same tag',
    good: true,
    ...ten,
    endpoints: evenly(1, 0.2 * budget, 0.2 * budget),
    firstAttempt: { minutes: 5, silence: 6, rate: 100 * budget },
  },
  {
    id: 'fault-before',
    name: 'until the canary began, stable failed at 10 times the allowed rate (it holds an aborted release); the canary fails at 20 times',
    good: false,
    ...ten,
    endpoints: evenly(4, 20 * budget, (minute: number) => (minute === 0 ? 10 : 0.2) * budget),
  },
  {
    id: 'fault-before-alone',
    name: 'the same, and the canary has all traffic from its second minute on',
    good: false,
    looks: 10,
    canaryRequests: (minute) => (minute < 2 ? 200 : 2000),
    stableRequests: (minute) => (minute < 2 ? 1800 : 0),
    endpoints: evenly(4, 20 * budget, (minute: number) => (minute === 0 ? 10 : 0.2) * budget),
  },
  {
    id: 'sampled',
    name: 'traces sampled at 1% (200,000 requests), 0.6 times the allowed rate, sampleRate: 0.01',
    good: true,
    looks: 10,
    canaryRequests: 20_000,
    stableRequests: 180_000,
    endpoints: evenly(1, 0.6 * budget, 0.2 * budget),
    seen: 0.01,
    sampleRate: 0.01,
  },
  {
    id: 'sampled-untold',
    name: 'the same without sampleRate in the registry',
    good: true,
    looks: 10,
    canaryRequests: 20_000,
    stableRequests: 180_000,
    endpoints: evenly(1, 0.6 * budget, 0.2 * budget),
    seen: 0.01,
  },
  {
    id: 'sampled-broken',
    name: 'traces sampled at 1%, 10 times the allowed rate, sampleRate: 0.01',
    good: false,
    looks: 10,
    canaryRequests: 20_000,
    stableRequests: 180_000,
    endpoints: evenly(1, 10 * budget, 0.2 * budget),
    seen: 0.01,
    sampleRate: 0.01,
  },
  {
    id: 'late-good',
    name: 'the newest minute shows half of its events until the next analysis, 0.6 times the allowed rate',
    good: true,
    ...ten,
    endpoints: evenly(4, 0.6 * budget, 0.2 * budget),
    newest: 0.5,
  },
  {
    id: 'late-broken',
    name: 'the same at 10 times the allowed rate',
    good: false,
    ...ten,
    endpoints: evenly(4, 10 * budget, 0.2 * budget),
    newest: 0.5,
  },
  {
    id: 'last-minute',
    name: 'one endpoint of 1% of the traffic breaks completely in the last minute (20,000 requests)',
    good: false,
    looks: 10,
    canaryRequests: 2000,
    stableRequests: 18_000,
    endpoints: [
      ...oneOf(0.01, 0, 0)
        .slice(0, 9)
        .map((endpoint) => ({ ...endpoint, canary: 0 })),
      { share: 0.01, canary: (minute) => (minute === 10 ? 0.4 : 0), stable: 0 },
    ],
  },
];

export const scenarios: readonly Scenario[] = [...grid, ...long, ...cases];
