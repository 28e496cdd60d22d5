import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { remoteWrite, type StoredSeries } from '../../src/demo/prometheus/remote-write.ts';
import { prepareMimir } from '../sources/prometheus/mimir.ts';
import { remoteWriteTo } from '../sources/prometheus/prometheus-program.ts';
import { prepareQuery, prepareSidecar, storesOf } from '../sources/prometheus/thanos.ts';
import type { ProductName } from './programs.ts';
import type { ScenarioContext } from './scenario.ts';
import { answers } from './wait.ts';

/** Backends that Go has to build. A Prometheus 3 scrapes for each of them. */
export const builtBackends = ['prometheus-3', 'thanos', 'mimir'] as const;
export type BuiltBackend = (typeof builtBackends)[number];

export function isBuilt(name: string): name is BuiltBackend {
  return (builtBackends as readonly string[]).includes(name);
}

/** The programs of a backend. */
export function productsOf(backend: BuiltBackend): ProductName[] {
  return [...new Set<ProductName>(['prometheus-3', backend])];
}

/** What a gate asks in place of the Prometheus that scrapes. */
export interface Front {
  /** Joined into the configuration of Prometheus. */
  readonly config: Readonly<Record<string, object>>;
  readonly gateEnv: Readonly<Record<string, string>>;
  /** Starts it over a Prometheus that answers at this address. */
  start(prometheus: string): Promise<void>;
  /** Stores the past, where Prometheus itself does not. */
  store?(series: readonly StoredSeries[]): Promise<void>;
}

export function prepareFront(
  context: ScenarioContext,
  backend: Exclude<BuiltBackend, 'prometheus-3'>,
): Promise<Front> {
  return backend === 'mimir' ? mimirFront(context) : thanosFront(context);
}

/** Thanos Query over one sidecar. */
async function thanosFront({ programs, start }: ScenarioContext): Promise<Front> {
  const command = programs.thanos.program;
  // Its addresses are known before Prometheus', which the sidecar is told.
  const sidecar = await prepareSidecar('');
  const query = await prepareQuery([sidecar.endpoint]);
  return {
    config: { global: { external_labels: { cluster: 'e2e', replica: 'a' } } },
    gateEnv: { CUJ_GATE_PROMETHEUS_URL: query.url },
    async start(prometheus) {
      const args = [...sidecar.args.slice(0, -1), `--prometheus.url=${prometheus}`];
      const own = start({ name: 'thanos-sidecar', command, args });
      await own.untilReady(() => answers(sidecar.readyUrl));
      const querier = start({ name: 'thanos-query', command, args: query.args });
      await querier.untilReady(
        async () => (await answers(query.readyUrl)) && (await storesOf(query.url)) === 1,
      );
    },
  };
}

/** Mimir, into which Prometheus writes what it scrapes. */
async function mimirFront({ dir, programs, start }: ScenarioContext): Promise<Front> {
  const folder = path.join(dir, 'mimir-data');
  mkdirSync(folder);
  const { args, readyUrl, origin, write, url, tenant } = await prepareMimir(folder);
  return {
    config: { remote_write: [remoteWriteTo(`${origin}${write.path}`, write)] },
    gateEnv: { CUJ_GATE_PROMETHEUS_URL: url, CUJ_GATE_PROMETHEUS_TENANT: tenant },
    async start() {
      const own = start({ name: 'mimir', command: programs.mimir.program, args: [...args], cwd: folder });
      await own.untilReady(() => answers(readyUrl));
    },
    store: (series) => remoteWrite(origin, series, write),
  };
}
