import { setTimeout as delay } from 'node:timers/promises';
import { remoteWrite } from '../../../src/demo/prometheus/remote-write.ts';
import { ensurePrograms } from '../../e2e/programs.ts';
import { freePort, freePorts } from '../../free-ports.ts';
import { BackendProcesses } from './backend-process.ts';
import { addPrometheus, remoteWriteTo } from './prometheus-program.ts';
import type { RealBackend } from './real-backends.ts';
import type { StoredSeries } from './traffic.ts';

/** One Prometheus with a sidecar. */
export interface ThanosStore {
  /** Its external labels. Stores that differ by `replica` alone are replicas of each other. */
  readonly labels: Readonly<Record<string, string>>;
  readonly series: readonly StoredSeries[];
  readonly target?: string | undefined;
  readonly isNative?: boolean | undefined;
}

export interface ThanosOptions {
  readonly stores: readonly ThanosStore[];
  /** An endpoint that does not answer stays one whose data is missing. */
  readonly isStrict?: boolean;
  /** More options of `thanos query`. */
  readonly query?: readonly string[];
}

export interface Thanos extends RealBackend {
  /** Kills a part of a store. */
  kill(part: 'prometheus' | 'sidecar', index: number): Promise<void>;
  /** Starts the sidecar of a store again, at the same address. */
  startSidecar(index: number): Promise<void>;
  /** How many stores the querier asks. */
  stores(): Promise<number>;
  /** How many stores it lists, those that do not answer included. */
  listed(): Promise<number>;
}

/** `thanos query` over sidecars of as many Prometheus 3, without duplicates of replicas. */
export async function startThanos({ stores, isStrict = true, query = [] }: ThanosOptions): Promise<Thanos> {
  const { program } = (await ensurePrograms(['thanos'])).thanos;
  const processes = new BackendProcesses('thanos');
  const sidecars: Awaited<ReturnType<typeof prepareSidecar>>[] = [];
  const startSidecar = async (i: number) => {
    const { args, readyUrl } = sidecars[i] as (typeof sidecars)[number];
    await processes.start(`sidecar-${i}`, program, args, readyUrl);
  };
  try {
    const endpoints = await Promise.all(
      stores.map(async ({ labels, ...one }, i) => {
        const prometheus = await addPrometheus(processes, `prometheus-${i}`, {
          ...{ program: 'prometheus-3', ...one },
          externalLabels: labels,
        });
        const sidecar = await prepareSidecar(prometheus);
        sidecars[i] = sidecar;
        await startSidecar(i);
        return sidecar.endpoint;
      }),
    );
    const url = await addQuery(processes, program, endpoints, isStrict, query);
    return {
      url,
      kill: (part, index) => processes.kill(`${part}-${index}`),
      startSidecar,
      stores: () => storesOf(url),
      listed: async () => (await listOf(url)).length,
      close: () => processes.close(),
    };
  } catch (error) {
    await processes.close();
    throw error;
  }
}

/** `thanos receive`, into which a Prometheus writes what it scrapes, and `thanos query` over it. */
export async function startThanosReceive({
  series,
  target,
  isNative,
}: Omit<ThanosStore, 'labels'>): Promise<RealBackend> {
  const { program } = (await ensurePrograms(['thanos'])).thanos;
  const processes = new BackendProcesses('thanos-receive');
  try {
    const [http, grpc, write, capnproto] = (await freePorts(4)) as [number, number, number, number];
    const receive = [
      'receive',
      ...listening(http, grpc),
      `--remote-write.address=127.0.0.1:${write}`,
      // Otherwise a port of its own on all addresses.
      `--receive.capnproto-address=127.0.0.1:${capnproto}`,
      `--tsdb.path=${processes.folder}/receive-data`,
      '--tsdb.retention=10y',
      // The past comes series by series.
      '--tsdb.out-of-order.time-window=10d',
      '--label=replica="receive-0"',
    ];
    await processes.start('receive', program, receive, `http://127.0.0.1:${http}/-/ready`);
    const writeUrl = `http://127.0.0.1:${write}`;
    await remoteWrite(writeUrl, series, { path: '/api/v1/receive' });
    if (target !== undefined) {
      await addPrometheus(processes, 'prometheus', {
        ...{ program: 'prometheus-3', series: [], target, isNative },
        remoteWrite: remoteWriteTo(`${writeUrl}/api/v1/receive`, { isNative }),
      });
    }
    const url = await addQuery(processes, program, [`127.0.0.1:${grpc}`], true, []);
    return { url, close: () => processes.close() };
  } catch (error) {
    await processes.close();
    throw error;
  }
}

function listening(http: number, grpc: number): string[] {
  return [`--http-address=127.0.0.1:${http}`, `--grpc-address=127.0.0.1:${grpc}`];
}

/** How a sidecar of a Prometheus is started, and the endpoint that a querier asks. */
export async function prepareSidecar(prometheus: string) {
  const [http, grpc] = [await freePort(), await freePort()];
  return {
    args: ['sidecar', ...listening(http, grpc), `--prometheus.url=${prometheus}`],
    readyUrl: `http://127.0.0.1:${http}/-/ready`,
    endpoint: `127.0.0.1:${grpc}`,
  };
}

/** How `thanos query` is started over endpoints. */
export async function prepareQuery(endpoints: readonly string[], isStrict = true) {
  const [http, grpc] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${http}`;
  const option = isStrict ? '--endpoint-strict' : '--endpoint';
  return {
    args: [
      'query',
      ...listening(http, grpc),
      ...endpoints.map((one) => `${option}=${one}`),
      '--query.replica-label=replica',
    ],
    readyUrl: `${url}/-/ready`,
    url,
  };
}

/** Resolves to its address when it knows all stores. */
async function addQuery(
  processes: BackendProcesses,
  program: string,
  endpoints: readonly string[],
  isStrict: boolean,
  more: readonly string[],
): Promise<string> {
  const { args, readyUrl, url } = await prepareQuery(endpoints, isStrict);
  await processes.start('query', program, [...args, ...more], readyUrl);
  while ((await storesOf(url)) < endpoints.length) await delay(50);
  return url;
}

/** Stores without an error. */
export async function storesOf(url: string): Promise<number> {
  return (await listOf(url)).filter(({ lastError }) => lastError === null).length;
}

async function listOf(url: string): Promise<readonly { readonly lastError: unknown }[]> {
  const response = await fetch(`${url}/api/v1/stores`);
  const { data } = (await response.json()) as {
    data: Readonly<Record<string, readonly { readonly lastError: unknown }[]>>;
  };
  return Object.values(data).flat();
}
