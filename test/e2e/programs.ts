import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onPath } from './debian.ts';
import { removeAtEnd, removeTemporary, temporaryFolder } from './mortal.ts';
import { runProgram } from './run-program.ts';

/**
 * The Go programs and resource definitions of the end-to-end run and of `npm run test:sign-in`, built once and kept under `.cache/e2e/`.
 *
 * Every module under `go/` pins its programs by its go.mod and go.sum. Their hash is part of the name of a build's folder,
 * so only a changed pin rebuilds its programs.
 */

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, 'go');
const root = path.join(here, '..', '..');

/** The folder of programs and logs between runs. CI can set it to a folder that is kept between checkouts. */
export const cacheDir = process.env.CUJ_GATE_E2E_CACHE ?? path.join(root, '.cache', 'e2e');

export const rolloutsVersions = ['v1.10.0', 'v1.9.1', 'v1.8.3'] as const;
export type RolloutsVersion = (typeof rolloutsVersions)[number];

interface Product {
  /** The folder under go/. */
  module: string;
  /** The main package to build, `.` for the folder's own `main.go`; without it only `files` are copied out of a module. */
  main?: string;
  /** Link-time variables of the upstream release that are visible in responses. */
  set?: Record<string, string>;
  /** Build tags that the program needs. */
  tags?: string;
  /** Copied out of a required module, so that a warm run needs no Go at all. */
  files?: { from: string; path: string };
}

const chartutil = 'helm.sh/helm/v3/pkg/chartutil';
const componentVersion = 'k8s.io/component-base/version';
const kubernetesVersion = {
  [`${componentVersion}.gitVersion`]: 'v1.34.2',
  [`${componentVersion}.gitMajor`]: '1',
  [`${componentVersion}.gitMinor`]: '34',
};

const controller = (version: RolloutsVersion): Product => ({
  module: `rollouts-${version}`,
  main: 'github.com/argoproj/argo-rollouts/cmd/rollouts-controller',
  set: { 'github.com/argoproj/argo-rollouts/utils/version.version': version.slice(1) },
  files: { from: 'github.com/argoproj/argo-rollouts', path: 'manifests/crds' },
});

const products = {
  'kube-apiserver': {
    module: 'kubernetes',
    main: 'k8s.io/kubernetes/cmd/kube-apiserver',
    set: kubernetesVersion,
  },
  kubectl: { module: 'kubernetes', main: 'k8s.io/kubernetes/cmd/kubectl', set: kubernetesVersion },
  helm: {
    module: 'kubernetes',
    main: 'helm.sh/helm/v3/cmd/helm',
    // Without these `helm template` assumes Kubernetes 1.20 and refuses charts that require a newer one.
    set: {
      'helm.sh/helm/v3/internal/version.version': 'v3.19.5',
      [`${chartutil}.k8sVersionMajor`]: '1',
      [`${chartutil}.k8sVersionMinor`]: '34',
    },
  },
  'argo-cd': {
    module: 'argo-cd',
    main: '.',
    files: { from: 'github.com/argoproj/argo-cd/v3', path: 'manifests/crds' },
  },
  actionlint: { module: 'actionlint', main: 'github.com/rhysd/actionlint/cmd/actionlint' },
  cue: { module: 'cue', main: 'cuelang.org/go/cmd/cue' },
  'rollouts-controller-v1.10.0': controller('v1.10.0'),
  'rollouts-controller-v1.9.1': controller('v1.9.1'),
  'rollouts-controller-v1.8.3': controller('v1.8.3'),
  'oauth2-proxy': {
    module: 'oauth2-proxy',
    main: 'github.com/oauth2-proxy/oauth2-proxy/v7',
    // Otherwise it calls itself "undefined" in its log.
    set: { 'github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION': 'v7.15.6' },
  },
  // Backends that no package of Debian has, for `npm run test:backends`. A main package of another module has no version of its own.
  'prometheus-3': {
    module: 'prometheus-3',
    main: 'github.com/prometheus/prometheus/cmd/prometheus',
    set: { 'github.com/prometheus/common/version.Version': '3.16.0' },
  },
  thanos: {
    module: 'thanos',
    main: 'github.com/thanos-io/thanos/cmd/thanos',
    set: { 'github.com/prometheus/common/version.Version': '0.42.4' },
    // It casts Prometheus' labels to a slice. Without the tag it crashes at the first call.
    tags: 'slicelabels',
  },
  mimir: { module: 'mimir', main: 'github.com/grafana/mimir/cmd/mimir' },
  'flux-kustomize-crds': {
    module: 'flux-crds',
    files: { from: 'github.com/fluxcd/kustomize-controller', path: 'config/crd/bases' },
  },
  'flux-source-crds': {
    module: 'flux-crds',
    files: { from: 'github.com/fluxcd/source-controller', path: 'config/crd/bases' },
  },
  'gateway-api-crds': {
    module: 'gateway-api-crds',
    files: { from: 'sigs.k8s.io/gateway-api', path: 'config/crd/standard' },
  },
  'istio-crds': {
    module: 'istio-crds',
    files: { from: 'istio.io/api', path: 'kubernetes/customresourcedefinitions.gen.yaml' },
  },
  'prometheus-crds': {
    module: 'prometheus-crds',
    files: {
      from: 'github.com/prometheus-operator/prometheus-operator',
      path: 'example/prometheus-operator-crd',
    },
  },
} satisfies Record<string, Product>;

export type ProductName = keyof typeof products;

/** One built product: `program` is the executable, `files` the folder or file that was copied beside it. */
export interface Built {
  program: string;
  files: string;
}

export type Programs = Record<ProductName, Built>;

/** The part of `programs` that a cluster of one controller version needs. */
export const clusterProducts = (version: RolloutsVersion): ProductName[] => [
  'kube-apiserver',
  `rollouts-controller-${version}`,
  'istio-crds',
];

/** Builds what is missing, one after another: the Go compiler already uses every core. */
export async function ensurePrograms(
  names: readonly ProductName[],
  log: (line: string) => void = console.log,
): Promise<Programs> {
  const built: Partial<Programs> = {};
  for (const name of new Set(names)) built[name] = await ensure(name, log);
  return built as Programs;
}

async function ensure(name: ProductName, log: (line: string) => void): Promise<Built> {
  const product: Product = products[name];
  const folder = path.join(cacheDir, 'programs', `${name}-${await keyOf(product)}`);
  const result = { program: path.join(folder, name), files: path.join(folder, 'files') };
  if (await exists(folder)) return result;

  log(`building ${name}: some minutes the first time, seconds while Go's build cache is warm`);
  const started = Date.now();
  await removeAbandonedDrafts();
  const draft = path.join(cacheDir, 'programs', `.draft-${name}-${process.pid}`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  removeAtEnd(draft);
  try {
    if (product.main)
      await go(product.module, [...buildFlags(product), '-o', path.join(draft, name), product.main]);
    if (product.files) {
      const from = path.join(await moduleDir(product.module, product.files.from), product.files.path);
      // The module cache is read-only; a read-only copy could not be removed.
      await cp(from, path.join(draft, 'files'), { recursive: true });
    }
    await makeWritable(draft);
    await removeOlder(name, folder);
    await rename(draft, folder).catch(async (error: unknown) => {
      // Another run was faster: use its build.
      if (!(await exists(folder))) throw error;
    });
  } finally {
    removeTemporary(draft);
  }
  log(`built ${name} in ${Math.round((Date.now() - started) / 1000)} s`);
  return result;
}

function buildFlags(product: Product): string[] {
  const variables = Object.entries(product.set ?? {}).map(([name, value]) => `-X ${name}=${value}`);
  return [
    'build',
    '-mod=readonly',
    '-trimpath',
    '-buildvcs=false',
    ...(product.tags === undefined ? [] : [`-tags=${product.tags}`]),
    // These are not debugged: without DWARF, compiling and linking are faster.
    '-gcflags=all=-dwarf=false',
    `-ldflags=-s -w ${variables.join(' ')}`.trim(),
  ];
}

async function keyOf(product: Product): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', ...(product.main === '.' ? ['main.go'] : [])])
    hash.update(await readFile(path.join(modules, product.module, file)));
  hash.update(JSON.stringify([product, buildFlags(product), process.platform, process.arch]));
  return hash.digest('hex').slice(0, 12);
}

async function moduleDir(module: string, required: string): Promise<string> {
  const answer = await go(module, ['mod', 'download', '-json', required]);
  const { Dir, Error: problem } = JSON.parse(answer) as { Dir?: string; Error?: string };
  if (!Dir)
    throw new Error(
      `go/${module}: module ${required} could not be downloaded: ${problem ?? 'no reason given'}`,
    );
  return Dir;
}

async function go(module: string, args: string[]): Promise<string> {
  if (!onPath('go'))
    throw new Error(
      'go is not on the PATH. These tests build their programs from source: install Go 1.26.1 or newer.',
    );
  const temporary = temporaryFolder();
  try {
    const { stdout } = await runProgram('go', args, {
      cwd: path.join(modules, module),
      // An interrupted build leaves incomplete packages of hundreds of megabytes.
      env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off', GOTMPDIR: temporary },
      // A build uses both cores for minutes; other work on this machine has priority.
      nice: 10,
    });
    return stdout;
  } catch (error) {
    throw new Error(`in test/e2e/go/${module}: ${error instanceof Error ? error.message : error}`);
  } finally {
    removeTemporary(temporary);
  }
}

async function removeOlder(name: ProductName, keep: string): Promise<void> {
  const parent = path.dirname(keep);
  const pattern = new RegExp(`^${name.replaceAll('.', '\\.')}-[0-9a-f]{12}$`);
  for (const entry of await readdir(parent)) {
    const folder = path.join(parent, entry);
    if (folder !== keep && pattern.test(entry)) await rm(folder, { recursive: true, force: true });
  }
}

/** Removes drafts of runs that were killed during a build. */
async function removeAbandonedDrafts(): Promise<void> {
  const parent = path.join(cacheDir, 'programs');
  for (const entry of await readdir(parent).catch(() => [])) {
    const owner = /^\.draft-.*-(\d+)$/.exec(entry)?.[1];
    if (owner && !(await exists(`/proc/${owner}`)))
      await rm(path.join(parent, entry), { recursive: true, force: true });
  }
}

async function makeWritable(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const full = path.join(entry.parentPath, entry.name);
    await chmod(full, ((await stat(full)).mode | 0o200) & 0o777);
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
