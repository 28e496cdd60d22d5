/** The kinds of releases that are simulated, and what is wanted of the gate for each. */
import { APP_ROUTES } from '../../src/demo/datadog/app-routes.ts';
import { BASE_ERROR_RATE, slowShareOf } from '../../src/demo/datadog/journeys.ts';
import type { Random } from '../../src/demo/datadog/random.ts';
import type { Cuj, Registry } from '../../src/domain/registry/model.ts';
import { type EndpointTruth, type Incident, type Moment, routesOf, type Truth } from './traffic.ts';

/** Requests per second of the whole app, mean of the day. */
export const sizes = [1000, 100, 30] as const;
/** Hours of the day (UTC) of the demo's app. */
export const hours = { peak: 12, mean: 6, quietest: 0 } as const;
export type Hour = keyof typeof hours;

export interface Cell {
  readonly release: string;
  readonly service: string;
  readonly requestsPerSecond: number;
  readonly hour: Hour;
}

/** What a release's truth may depend on. */
export interface Circumstances {
  readonly registry: Registry;
  readonly service: string;
  /** The number of the rollout, from 0 on: releases take turns. */
  readonly run: number;
  readonly random: Random;
  /** Requests of the canary on a resource in a rollout in which every measurement passes, on average. */
  readonly expected: (resource: string) => number;
  /** How long the canary has 95% of the traffic or more in such a rollout. */
  readonly fullTrafficMs: number;
}

/** A target: `of` is compared with `limit`. */
export interface Wanted {
  readonly of: Measure;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Which cells it is wanted of; all where it is absent. */
  readonly where?: (cell: Cell) => boolean;
}

/** Shares are percent, times seconds. */
export type Measure =
  | 'promoted'
  | 'aborted'
  | 'allTrafficMedian'
  | 'allTrafficP95'
  | 'doneMedian'
  | 'doneP95'
  /** Median time to abort as a multiple of the same without the outage. */
  | 'abortRatio';

export interface Release {
  readonly id: string;
  readonly name: string;
  /** Aborting it would be wrong. */
  readonly good: boolean;
  /** Services it is about; all where it is absent. */
  readonly services?: readonly string[];
  /** The same random numbers as another release, and compared with it. */
  readonly comparedWith?: string;
  /** Undefined: there is no such release in this cell. */
  readonly truth: (of: Circumstances) => Truth | undefined;
  readonly wanted: readonly Wanted[];
}

const minuteMs = 60_000;

/** The budgets of an endpoint: the least of all CUJs that it belongs to. */
function budgetsOf(registry: Registry, service: string, resource: string) {
  let availability = 1;
  let latency = 1;
  for (const { endpoints, objectives } of registry.cujs.values()) {
    if (!endpoints.some((each) => each.service === service && each.resource === resource)) continue;
    availability = Math.min(availability, objectives.availability?.budget ?? 1);
    latency = Math.min(latency, objectives.latency?.budget ?? 1);
  }
  return { availability, latency };
}

/** `ordinary`: what the demo's app does. A number: so many times the allowed rate. */
type Level = number | 'ordinary';

function endpointsOf(
  { registry, service }: Circumstances,
  canary: Level,
  stable: Level,
): Map<string, EndpointTruth> {
  return new Map(
    routesOf(registry, service).map(({ resource, thresholds, medianMs }) => {
      const { availability, latency } = budgetsOf(registry, service, resource);
      const bad = (level: Level) => (level === 'ordinary' ? BASE_ERROR_RATE : level * availability);
      const slow = (level: Level) => {
        if (thresholds.length === 0) return 0;
        return level === 'ordinary' ? slowShareOf(medianMs, Math.min(...thresholds)) : level * latency;
      };
      const truth = {
        canary: bad(canary),
        stable: bad(stable),
        canarySlow: slow(canary),
        stableSlow: slow(stable),
      };
      return [resource, truth] as const;
    }),
  );
}

function good(of: Circumstances, level: Level = 0.2): Truth {
  return { endpoints: endpointsOf(of, level, level), faulty: new Set(), incidents: [] };
}

/** A good release but for some endpoints, which fail at a rate of their own. */
function broken(of: Circumstances, rates: ReadonlyMap<string, number>, level: Level = 0.2): Truth {
  const { endpoints } = good(of, level);
  const changed = new Map(
    [...endpoints].map(([resource, truth]) => [
      resource,
      { ...truth, canary: 1 - (1 - truth.canary) * (1 - (rates.get(resource) ?? 0)) },
    ]),
  );
  return { endpoints: changed, faulty: new Set(rates.keys()), incidents: [] };
}

function enforced({ registry, service }: Circumstances): Cuj[] {
  return [...registry.cujs.values()].filter(
    ({ mode, services }) => mode === 'enforce' && services.includes(service),
  );
}

function resourcesOf(cuj: Cuj, service: string): string[] {
  return cuj.endpoints.filter((each) => each.service === service).map(({ resource }) => resource);
}

/** The endpoints of enforced CUJs take turns, of those that the canary's traffic makes eligible. */
function oneEndpoint(of: Circumstances, isEligible: (requests: number) => boolean): Truth | undefined {
  const all = [...new Set(enforced(of).flatMap((cuj) => resourcesOf(cuj, of.service)))];
  const eligible = all.filter((resource) => isEligible(of.expected(resource)));
  const resource = eligible[of.run % eligible.length];
  return resource === undefined ? undefined : broken(of, new Map([[resource, 1]]));
}

/** One CUJ fails at 20 times the allowed rate; the CUJs take turns. */
function wholeCuj(of: Circumstances): Truth | undefined {
  const cujs = enforced(of).filter(({ objectives }) => objectives.availability !== undefined);
  const cuj = cujs[of.run % cujs.length];
  if (cuj === undefined) return undefined;
  const { budget } = cuj.objectives.availability as NonNullable<typeof cuj.objectives.availability>;
  return broken(of, new Map(resourcesOf(cuj, of.service).map((resource) => [resource, 20 * budget])));
}

/** A dependency fails for 5 minutes, on both sides: one in five requests to every endpoint. */
function dependency(from: Moment): Incident {
  return { from, lastsMs: 5 * minuteMs, sides: 'both', rate: 0.2 };
}

const bigger = ({ requestsPerSecond }: Cell) => requestsPerSecond >= 100;
const smaller = ({ requestsPerSecond }: Cell) => requestsPerSecond < 100;
const at = (size: number) => (cell: Cell) => cell.requestsPerSecond === size;

const goesThrough: readonly Wanted[] = [
  { of: 'promoted', atLeast: 99, where: bigger },
  { of: 'promoted', atLeast: 95, where: smaller },
  { of: 'allTrafficMedian', atMost: 600 },
  { of: 'allTrafficP95', atMost: 1200 },
  { of: 'doneMedian', atMost: 1200 },
  { of: 'doneP95', atMost: 1800 },
];

const verify = 'POST /api/v1/signup/phone/verify';

export const releases: readonly Release[] = [
  {
    id: 'good',
    name: 'good: 0.2 times the allowed rate',
    good: true,
    truth: (circumstances) => good(circumstances),
    wanted: goesThrough,
  },
  {
    id: 'ordinary',
    name: "good: the demo's ordinary 0.01%",
    good: true,
    truth: (circumstances) => good(circumstances, 'ordinary'),
    wanted: goesThrough,
  },
  {
    id: 'on-slo',
    name: 'exactly on its SLO',
    good: true,
    truth: (circumstances) => ({
      endpoints: endpointsOf(circumstances, 1, 0.2),
      faulty: new Set(),
      incidents: [],
    }),
    wanted: [{ of: 'aborted', atMost: 3 }],
  },
  {
    id: 'endpoint',
    name: 'one endpoint fails completely, at least 20 canary requests expected there',
    good: false,
    truth: (circumstances) => oneEndpoint(circumstances, (requests) => requests >= 20),
    wanted: [
      { of: 'aborted', atLeast: 99.5 },
      { of: 'promoted', atMost: 0.2 },
    ],
  },
  {
    id: 'endpoint-few',
    name: 'one endpoint fails completely, fewer than 20 canary requests expected there',
    good: false,
    truth: (circumstances) => oneEndpoint(circumstances, (requests) => requests < 20),
    wanted: [],
  },
  {
    id: 'demo',
    name: "the demo's: the last step of signup fails for one in five",
    good: false,
    services: ['member-api'],
    truth: (circumstances) => {
      const route = APP_ROUTES.find((each) => each.route === verify);
      const cuj = circumstances.registry.cujs.get('signup');
      const resource = cuj?.endpoints.find(({ label }) => label === route?.route)?.resource;
      return resource === undefined
        ? undefined
        : broken(circumstances, new Map([[resource, 0.2]]), 'ordinary');
    },
    wanted: [
      { of: 'aborted', atLeast: 99.9, where: at(1000) },
      { of: 'aborted', atLeast: 97, where: at(100) },
      { of: 'promoted', atMost: 1, where: at(100) },
      {
        of: 'promoted',
        atMost: 10,
        where: ({ requestsPerSecond, hour }) => requestsPerSecond === 30 && hour === 'mean',
      },
    ],
  },
  {
    id: 'cuj-20x',
    name: 'a whole CUJ at 20 times the allowed rate',
    good: false,
    truth: wholeCuj,
    wanted: [{ of: 'promoted', atMost: 0.5, where: at(1000) }],
  },
  {
    id: 'away',
    name: 'good, and Datadog is away for 5 minutes',
    good: true,
    truth: (circumstances) => ({
      ...good(circumstances),
      away: {
        from: { after: 'start', ms: (1 + 9 * circumstances.random.next()) * minuteMs },
        lastsMs: 5 * minuteMs,
      },
    }),
    wanted: [{ of: 'promoted', atLeast: 98, where: bigger }],
  },
  {
    id: 'dependency',
    name: 'good, and a dependency fails on both sides for 5 minutes at the first weight',
    good: true,
    truth: (circumstances) => ({
      ...good(circumstances),
      incidents: [dependency({ after: 'canary', ms: 4 * circumstances.random.next() * minuteMs })],
    }),
    wanted: [
      { of: 'aborted', atMost: 1 },
      { of: 'promoted', atLeast: 95 },
    ],
  },
  {
    id: 'dependency-bake',
    name: 'good, and a dependency fails on both sides for 5 minutes during the bake',
    good: true,
    truth: (circumstances) =>
      circumstances.fullTrafficMs < minuteMs
        ? undefined
        : {
            ...good(circumstances),
            incidents: [
              dependency({
                after: 'full',
                ms: 0.5 * circumstances.fullTrafficMs * circumstances.random.next(),
              }),
            ],
          },
    wanted: [],
  },
  {
    id: 'outage-before',
    name: 'a whole CUJ at 20 times the allowed rate; stable had an outage of 5 minutes an hour before',
    good: false,
    comparedWith: 'cuj-20x',
    truth: (circumstances) => {
      const truth = wholeCuj(circumstances);
      if (truth === undefined) return undefined;
      const from: Moment = { after: 'start', ms: -60 * minuteMs };
      return { ...truth, incidents: [{ from, lastsMs: 5 * minuteMs, sides: 'stable', rate: 0.2 }] };
    },
    wanted: [{ of: 'abortRatio', atMost: 1.2 }],
  },
  {
    id: 'retry',
    name: 'good: a retry under the same version, six minutes after an aborted attempt',
    good: true,
    truth: (circumstances) => ({
      ...good(circumstances),
      incidents: [
        { from: { after: 'start', ms: -11 * minuteMs }, lastsMs: 5 * minuteMs, sides: 'canary', rate: 0.05 },
      ],
      attempt: { weight: 0.25, fromMs: -11 * minuteMs, untilMs: -6 * minuteMs },
    }),
    wanted: [{ of: 'promoted', atLeast: 98, where: bigger }],
  },
];
