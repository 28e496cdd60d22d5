import type { Call } from '../../../src/demo/datadog/call.ts';
import { startDatadogSimulator } from '../../../src/demo/datadog/simulator.ts';
import type { BackendOptions, ChaosBackend } from '../backend.ts';
import { isCalm, lateForMs } from '../phases.ts';
import { plantTraffic } from '../world.ts';
import { DatadogEvidence } from './evidence.ts';
import { DatadogFaults } from './faults.ts';
import { LateData } from './late-data.ts';

const historyMs = 3 * 60 * 60_000;

/** Datadog's simulator over planted traffic. Its faults are those of single calls, and late data of all services. */
export async function startDatadog({ startMs, seconds, drawOfPart }: BackendOptions): Promise<ChaosBackend> {
  const simulator = await startDatadogSimulator({ now: Date.now });
  const { store, calls } = simulator;
  const { canaryBeganMs } = plantTraffic(store, { startMs, seconds, historyMs }, ({ resource }) => resource);
  const faults = new DatadogFaults(simulator, drawOfPart());
  const lateData = new LateData(store, drawOfPart());
  const { gun } = faults;
  const evidence = new DatadogEvidence({
    store,
    canaryBeganMs,
    halvedNear: (startedMs, endedMs) => faults.halvedNear(startedMs, endedMs),
    coarseNear: (startedMs, endedMs) => faults.coarseNear(startedMs, endedMs),
    lostNear: (version, startedMs, endedMs) => faults.lostNear(version, startedMs, endedMs),
    endsNear: (startedMs, endedMs) => [
      ...faults.endsNear(startedMs, endedMs),
      ...lateData.endsNear(startedMs, endedMs),
    ],
    pastEndsNear: (startedMs, endedMs) => lateData.pastEndsNear(startedMs, endedMs),
  });
  const fireOrNot = (elapsedMs: number) => (isCalm(elapsedMs) ? gun.unload() : gun.fire(Date.now()));
  const beLate = (elapsedMs: number) => {
    const forMs = lateForMs(elapsedMs);
    if (forMs !== undefined && !lateData.isStopped(Date.now())) lateData.stop(Date.now(), forMs);
  };
  return {
    title: 'Datadog',
    dialect: {
      sources: '',
      gate: '',
      service: ({ operation }) => `operation: ${operation}, canary: "version:{version}"`,
      endpointOf: ({ resource }) => resource,
    },
    evidence,
    gateEnv: (life) => ({
      DD_URL: simulator.url,
      DD_API_KEY: life,
      DD_APP_KEY: 'chaos-app-key-of-nobody',
      CUJ_GATE_CACHE_TTL: '500ms',
    }),
    troubles: [
      { pauseMs: 450, draw: drawOfPart(), act: fireOrNot },
      { pauseMs: 500, draw: () => 0.5, act: beLate },
    ],
    settle: async () => {},
    calls,
    lifeOf: (call) => String((call as Call).headers['dd-api-key']),
    isMuddled: (call) => faults.isMuddled(call as Call),
    faultKinds: gun.kinds,
    struck: gun.struck,
    isDated: (startedMs, endedMs) => !faults.datesWrongNear(startedMs, endedMs),
    isUp: () => true,
    slowDown: () => simulator.faults.push({ kind: 'slow', delayMs: 900, path: '/query', times: 6 }),
    calmDown: () => simulator.faults.clear(),
    report: () => [`data late for everybody ${lateData.times} times`],
    stop: () => simulator.stop(),
  };
}
