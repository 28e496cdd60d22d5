import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { remoteWrite } from '../../../src/demo/prometheus/remote-write.ts';
import { ensurePrograms } from '../../e2e/programs.ts';
import { freePort } from '../../free-ports.ts';
import { BackendProcesses } from './backend-process.ts';
import { addPrometheus, remoteWriteTo } from './prometheus-program.ts';
import type { RealBackend } from './real-backends.ts';
import type { StoredSeries } from './traffic.ts';

export interface MimirOptions {
  readonly series: readonly StoredSeries[];
  /** Scraped every second by a Prometheus that writes into Mimir: `host:port`. */
  readonly target?: string | undefined;
  readonly isNative?: boolean | undefined;
  /** Limits of every tenant. */
  readonly limits?: object;
}

export interface Mimir extends RealBackend {
  readonly tenant: string;
}

const tenant = 'team-orders';

/** How all of Mimir is started in one process, with files for its storage, and how it is written to and asked. */
export interface MimirCall {
  readonly args: readonly string[];
  readonly readyUrl: string;
  /** For {@link remoteWrite}. */
  readonly origin: string;
  readonly write: { readonly path: string; readonly headers: Readonly<Record<string, string>> };
  /** For CUJ_GATE_PROMETHEUS_URL. */
  readonly url: string;
  readonly tenant: string;
}

/** Writes its configuration into a folder, which gets its data as well. */
export async function prepareMimir(folder: string, limits: object = {}): Promise<MimirCall> {
  const [http, grpc, gossip] = [await freePort(), await freePort(), await freePort()];
  const origin = `http://127.0.0.1:${http}`;
  const config = join(folder, 'mimir.yml');
  writeFileSync(config, configText({ http, grpc, gossip, folder, limits }));
  return {
    args: ['-target=all', `-config.file=${config}`],
    readyUrl: `${origin}/ready`,
    origin,
    write: { path: '/api/v1/push', headers: { 'X-Scope-OrgID': tenant } },
    url: `${origin}/prometheus`,
    tenant,
  };
}

export async function startMimir({ series, target, isNative, limits }: MimirOptions): Promise<Mimir> {
  const { program } = (await ensurePrograms(['mimir'])).mimir;
  const processes = new BackendProcesses('mimir');
  try {
    const { args, readyUrl, origin, write, url } = await prepareMimir(processes.folder, limits);
    await processes.start('mimir', program, args, readyUrl);
    await remoteWrite(origin, series, write);
    if (target !== undefined) {
      await addPrometheus(processes, 'prometheus', {
        ...{ program: 'prometheus-3', series: [], target },
        ...{ isNative, remoteWrite: remoteWriteTo(`${origin}${write.path}`, { ...write, isNative }) },
      });
    }
    return { url, tenant, close: () => processes.close() };
  } catch (error) {
    await processes.close();
    throw error;
  }
}

interface ConfigParts {
  readonly http: number;
  readonly grpc: number;
  readonly gossip: number;
  readonly folder: string;
  readonly limits: object;
}

/** JSON is YAML. */
function configText({ http, grpc, gossip, folder, limits }: ConfigParts): string {
  const host = '127.0.0.1';
  const ring = { instance_addr: host, kvstore: { store: 'inmemory' } };
  return JSON.stringify({
    multitenancy_enabled: true,
    usage_stats: { enabled: false },
    server: {
      http_listen_address: host,
      http_listen_port: http,
      grpc_listen_address: host,
      grpc_listen_port: grpc,
      log_level: 'warn',
    },
    memberlist: { bind_addr: [host], bind_port: gossip },
    common: { storage: { backend: 'filesystem', filesystem: { dir: join(folder, 'common') } } },
    blocks_storage: {
      backend: 'filesystem',
      storage_prefix: 'blocks',
      bucket_store: { sync_dir: join(folder, 'tsdb-sync') },
      tsdb: { dir: join(folder, 'tsdb') },
    },
    ruler_storage: { backend: 'filesystem', storage_prefix: 'ruler' },
    alertmanager_storage: { backend: 'filesystem', storage_prefix: 'alertmanager' },
    compactor: { data_dir: join(folder, 'compactor'), sharding_ring: ring },
    distributor: { ring },
    ingester: { ring: { ...ring, replication_factor: 1, min_ready_duration: '0s' } },
    // Otherwise its parts look for each other at the machine's first address.
    frontend: { address: host },
    query_scheduler: { ring },
    ruler: { ring },
    alertmanager: { sharding_ring: ring },
    store_gateway: { sharding_ring: { ...ring, replication_factor: 1 } },
    // The past comes series by series, all of it at once, and is in no block yet.
    limits: {
      query_ingesters_within: '0',
      out_of_order_time_window: '10d',
      ingestion_rate: 10_000_000,
      ingestion_burst_size: 100_000_000,
      ...limits,
    },
  });
}
