import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { freePorts } from '../free-ports.ts';
import { Child } from './child.ts';
import { Kube, type KubeObject, kinds, objectsOf } from './kube.ts';
import type { Programs, RolloutsVersion } from './programs.ts';
import { pretendPodsRun } from './replica-sets.ts';
import { answers, waitFor } from './wait.ts';

/**
 * A Kubernetes without nodes: etcd, the real API server, the real Argo Rollouts controller, and a loop in place of the
 * ReplicaSet controller and the kubelets. Everything listens on loopback and has its files in one folder.
 */
export interface Cluster {
  rolloutsVersion: RolloutsVersion;
  kube: Kube;
  /** For kubectl and helm. */
  kubeconfig: string;
  etcd: Child;
  apiserver: Child;
  controller: Child;
  /** The controller's own Prometheus metrics. */
  controllerMetricsUrl: string;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  programs: Programs;
  /** The folder of data, certificates and logs; the caller removes it. */
  dir: string;
  rolloutsVersion: RolloutsVersion;
}

export async function startCluster({ programs, dir, rolloutsVersion }: ClusterOptions): Promise<Cluster> {
  const logDir = path.join(dir, 'logs');
  const ports = await freePorts(5);
  const [etcdPort, peerPort, securePort, metricsPort, healthPort] = ports as [
    number,
    number,
    number,
    number,
    number,
  ];
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const files = writeSecrets(dir, `https://127.0.0.1:${securePort}`);

  const etcd = new Child(etcdProgram(dir, logDir, etcdUrl, `http://127.0.0.1:${peerPort}`));
  const apiserver = new Child({
    name: 'kube-apiserver',
    command: programs['kube-apiserver'].program,
    args: apiserverArgs(files, etcdUrl, securePort),
    logDir,
  });
  const built = programs[`rollouts-controller-${rolloutsVersion}`];
  const controller = new Child({
    name: 'rollouts-controller',
    command: built.program,
    args: [
      `--kubeconfig=${files.kubeconfig}`,
      `--metricsport=${metricsPort}`,
      `--healthzPort=${healthPort}`,
      '--leader-elect=false',
    ],
    // Without it the controller would wait for the service account that it has inside a cluster.
    env: { PATH: process.env.PATH, HOME: dir },
    logDir,
  });

  let kube: Kube | undefined;
  let pods: { stop(): Promise<void> } | undefined;
  const stop = async () => {
    await pods?.stop();
    await kube?.close();
    // Clients end before their servers: otherwise the logs end with many refused connections.
    for (const child of [controller, apiserver, etcd]) await child.stop();
  };
  try {
    etcd.start();
    await etcd.untilReady(() => answers(`${etcdUrl}/health`));
    apiserver.start();
    // The API server signs its own certificate as it starts.
    const ca = await apiserver.untilReady(() =>
      readFileSync(path.join(files.certs, 'apiserver.crt'), 'utf8'),
    );
    kube = new Kube(files.url, files.token, ca);
    const client = kube;
    await apiserver.untilReady(() => client.healthy('/readyz'));
    await installDefinitions(client, built.files, programs['istio-crds'].files);
    await client.apply({ ...kinds.Namespace, metadata: { name: 'argo-rollouts' } });
    pods = pretendPodsRun(client);
    controller.start();
    await controller.untilReady(() => answers(`http://127.0.0.1:${healthPort}/healthz`));
    return {
      rolloutsVersion,
      kube,
      kubeconfig: files.kubeconfig,
      etcd,
      apiserver,
      controller,
      controllerMetricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function etcdProgram(dir: string, logDir: string, clientUrl: string, peerUrl: string) {
  return {
    name: 'etcd',
    command: 'etcd',
    args: [
      `--data-dir=${path.join(dir, 'etcd')}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
    ],
    logDir,
  };
}

interface Secrets {
  url: string;
  token: string;
  certs: string;
  signingKey: string;
  tokens: string;
  kubeconfig: string;
}

/** The keys and tokens of this cluster; they are removed with its folder. */
function writeSecrets(dir: string, url: string): Secrets {
  const certs = path.join(dir, 'certs');
  mkdirSync(certs, { recursive: true });
  const secrets = {
    url,
    token: randomBytes(16).toString('hex'),
    certs,
    signingKey: path.join(dir, 'service-accounts.pem'),
    tokens: path.join(dir, 'tokens.csv'),
    kubeconfig: path.join(dir, 'kubeconfig'),
  };
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(secrets.signingKey, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(secrets.tokens, `${secrets.token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const cluster = { server: url, 'certificate-authority': path.join(certs, 'apiserver.crt') };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'e2e', cluster }],
    users: [{ name: 'admin', user: { token: secrets.token } }],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'admin' } }],
    'current-context': 'e2e',
  };
  writeFileSync(secrets.kubeconfig, JSON.stringify(kubeconfig, null, 2), { mode: 0o600 });
  return secrets;
}

function apiserverArgs(files: Secrets, etcdUrl: string, securePort: number): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${securePort}`,
    `--cert-dir=${files.certs}`,
    `--service-account-key-file=${files.signingKey}`,
    `--service-account-signing-key-file=${files.signingKey}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=AlwaysAllow',
    `--token-auth-file=${files.tokens}`,
    // It would wait for the default service account, whose controller does not run here.
    '--disable-admission-plugins=ServiceAccount',
    // No client uses the API server's in-cluster address, and loopback is not allowed as one.
    '--endpoint-reconciler-type=none',
  ];
}

async function installDefinitions(kube: Kube, argo: string, istio: string): Promise<void> {
  const definitions: KubeObject[] = [];
  for (const file of (await readdir(argo)).filter((name) => name.endsWith('-crd.yaml'))) {
    definitions.push(...objectsOf(await readFile(path.join(argo, file), 'utf8')));
  }
  // Istio's file is large and slow to parse; only two of its resources are used here.
  const wanted = /^ {2}name: (virtualservices|destinationrules)\.networking\.istio\.io$/m;
  const documents = (await readFile(istio, 'utf8'))
    .split(/^---$/m)
    .filter((document) => wanted.test(document));
  definitions.push(...documents.flatMap((document) => objectsOf(document)));
  await Promise.all(definitions.map((definition) => kube.apply(definition)));
  const wantedKinds = [
    kinds.Rollout,
    kinds.AnalysisRun,
    kinds.AnalysisTemplate,
    kinds.Experiment,
    kinds.VirtualService,
  ];
  for (const kind of wantedKinds) {
    await waitFor(() => kube.serves(kind), {
      what: `the API server to serve ${kind.kind}`,
      timeoutMs: 30_000,
    });
  }
}
