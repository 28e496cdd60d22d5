import { simulateJourneys, type TrafficOptions } from '../../src/demo/datadog/journeys.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';

/** The two days of member-api that docs/planning.md shows: four rollouts, two of them broken on purpose. */

const keys = { apiKey: 'a'.repeat(32), appKey: 'b'.repeat(40) };
const minuteMs = 60_000;
const at = (day: number, hour: number, minute = 0) => Date.UTC(2026, 10, day, hour, minute);

/** When plan and backtest are asked: their spans end with the hour before. */
export const askedMs = at(26, 12, 5);

type Part = Pick<TrafficOptions, 'breakages' | 'stableVersion' | 'canaryVersion'> & {
  readonly from: number;
  /** The canary's share of the traffic, 0 to 1. */
  readonly share: number;
};

const alone = (from: number, stableVersion: string): Part => ({ from, stableVersion, share: 0 });
const canary = (from: number, stableVersion: string, canaryVersion: string): Part => ({
  from,
  stableVersion,
  canaryVersion,
  share: 0.25,
  breakages: [],
});
const signup = [{ route: 'POST /api/v1/signup/phone/verify', from: 0, errorRate: 0.2 }];
const profile = [{ route: 'PUT /api/v1/profile', from: 0, errorRate: 0.03 }];

/** Each until the next begins. Only a canary can fail, so a broken version that has all traffic is one with all of it. */
const parts: readonly Part[] = [
  alone(at(24, 11), 'v1.38.0'),
  canary(at(24, 18, 10), 'v1.38.0', 'v1.39.0'),
  alone(at(24, 18, 45), 'v1.39.0'),
  { ...canary(at(25, 9, 25), 'v1.39.0', 'v1.40.0'), breakages: signup },
  { ...canary(at(25, 10, 5), 'v1.39.0', 'v1.40.0'), share: 1, breakages: signup },
  // The version that repairs it is the canary here.
  { ...canary(at(25, 14), 'v1.41.0', 'v1.40.0'), share: 0.75, breakages: signup },
  alone(at(25, 14, 30), 'v1.41.0'),
  { ...canary(at(26, 7, 40), 'v1.41.0', 'v1.42.0'), breakages: profile },
  alone(at(26, 8, 25), 'v1.41.0'),
];

/** A Datadog with this traffic, and the environment that names it. The caller stops it. */
export async function openPastRollouts(): Promise<{
  readonly datadog: Simulator;
  readonly env: Readonly<Record<string, string>>;
}> {
  const datadog = await startDatadogSimulator({
    now: () => askedMs,
    apiKey: keys.apiKey,
    applicationKey: keys.appKey,
  });
  parts.forEach(({ from, share, ...versions }, i) => {
    simulateJourneys({
      store: datadog.store,
      seed: i + 1,
      requestsPerSecond: 150,
      start: from,
      canaryStart: from,
      canaryWeight: () => share,
      ...versions,
    }).advanceTo(parts[i + 1]?.from ?? askedMs + minuteMs);
  });
  return { datadog, env: { DD_URL: datadog.url, DD_API_KEY: keys.apiKey, DD_APP_KEY: keys.appKey } };
}
