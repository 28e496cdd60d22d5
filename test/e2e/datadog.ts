import { RumIntake } from '../../src/demo/datadog/rum.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import type { SpansMetrics } from '../../src/demo/datadog/spans.ts';
import { EventStore } from '../../src/demo/datadog/store.ts';
import type { MetricsBackend } from './metrics-backend.ts';
import type { ScenarioContext } from './scenario.ts';
import { moveIntoPast, requestsOf, type TimedSpans, timed, timedHttp, write } from './traffic.ts';

/** The demo's Datadog in this process, with the traffic that a scenario writes into it; it becomes visible as late as agents send it. */
export interface Datadog extends MetricsBackend {
  readonly name: 'datadog';
  readonly url: string;
  readonly calls: Simulator['calls'];
  /** What browsers report; {@link elapse} drops it. */
  readonly rum: RumIntake;
  /** Metrics that are made of the spans that are written from now on; {@link elapse} drops them. */
  readonly spansMetrics: SpansMetrics;
}

/** Without slow payloads: which ones are slow would depend on the time of the run. */
const emptyStore = () => new EventStore({ now: Date.now, lateness: { seed: 1, slowShare: 0 } });

/** What a gate needs to ask a simulator. */
export function datadogEnv(url: string): Record<string, string> {
  return { DD_URL: url, DD_API_KEY: 'e2e-api-key-of-nobody', DD_APP_KEY: 'e2e-app-key-of-nobody' };
}

export async function startDatadog({ onEnd }: Pick<ScenarioContext, 'onEnd'>): Promise<Datadog> {
  const written: TimedSpans[] = [];
  let store = emptyStore();
  let simulator = await startDatadogSimulator({ now: Date.now, store });
  const { url, port, calls, faults } = simulator;
  onEnd(() => simulator.stop());

  const hostOf = ({ spans: { service, version } }: TimedSpans) => `${service}-${version}-node`;
  const record = (some: readonly TimedSpans[]) => {
    written.push(...some);
    for (const one of some) write(store, one, hostOf(one));
  };
  return {
    name: 'datadog',
    url,
    calls,
    gateEnv: datadogEnv(url),
    registryOf: (path) => path,
    queries: async () => calls.length,
    refuse: (refusal) =>
      faults.push(
        refusal.kind === 'rate_limited'
          ? { kind: 'rate_limited', limits: { resetSeconds: refusal.resetSeconds } }
          : refusal,
      ),
    requests: (requests) => record([timedHttp(requests)]),
    spans: (spans) => record([timed(spans)]),
    rum: new RumIntake(store),
    spansMetrics: store.spansMetrics,
    traffic: (flow) => record(requestsOf(flow)),
    untilStored: async () => {},
    async elapse(minutes) {
      store = emptyStore();
      for (const one of written) {
        moveIntoPast(one, minutes);
        write(store, one, hostOf(one));
      }
      await simulator.stop();
      simulator = await startDatadogSimulator({ now: Date.now, store, port });
    },
  };
}
