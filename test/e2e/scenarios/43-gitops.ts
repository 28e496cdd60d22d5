import assert from 'node:assert/strict';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { formerManifestName, manifestName } from '../../../src/commands/support/output-folder.ts';
import { type KubeObject, kinds, type Loose, objectsOf } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import { type Built, ensurePrograms } from '../programs.ts';
import { Release, shortTimes } from '../release.ts';
import { measurementValues, untilPhase, weights } from '../rollouts.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { noCache, startWorld, type World } from '../world.ts';

/** The repository that docs/gitops/README.md explains. */
const example = path.join(import.meta.dirname, '../../../docs/gitops/shop');

export const scenario: Scenario = {
  name: 'gitops',
  what: "docs/gitops is rendered by helm, kubectl kustomize and Argo CD's own code, applied, and released under a prefix",
  backends: everyBackend,
  needs: ['argo-cd'],
  timeoutMs: 240_000,
  async run(context) {
    const world = await startWorld(context, { registry: path.join(example, 'cujs.yaml'), env: noCache });
    const shop = await repository(context, world);
    await differsByDigestsOnly(shop);
    await helmRefusesPlainTemplates(shop);
    await helmRendersThePlainBytes(shop);
    await helmMissesNoFile(shop);
    await overlaysResolve(shop);
    await longNamesAreRefused(shop);
    await kubectlReadsTheFolder(shop);
    await generatedNamesAreReferencedToo(shop);
    await acceptsGitOpsObjects(shop);
    await argoCdRenders(shop);
    await argoCdIgnoresWeights(shop);
    await helmInstalls(shop);
    await templatesMayComeLater(shop);
    await releasesUnderAPrefix(shop, world);
  },
};

/** A copy of the example, generated anew for the gate and the metrics backend of this scenario, and the programs that render it. */
interface Shop {
  readonly context: ScenarioContext;
  readonly folder: string;
  readonly argoCd: Built;
  helm(...args: string[]): Promise<string>;
  kustomize(folder: string): Promise<KubeObject[]>;
  /** `generate.sh ARGS` of the example. */
  generate(...args: string[]): Promise<void>;
  /** Any other call, with the same gate. */
  cujGate(registry: string, ...args: string[]): Promise<string>;
  argo(application: string, ...args: string[]): Promise<Loose>;
}

async function repository(context: ScenarioContext, { gate, metrics, registry }: World): Promise<Shop> {
  const { dir, programs, cluster, namespace, gateProgram } = context;
  const argoCd = programs['argo-cd'];
  const folder = path.join(dir, 'shop');
  cpSync(example, folder, { recursive: true });
  cpSync(registry, path.join(folder, 'cujs.yaml'));
  // Two overlays, each with a namespace of its own in the example.
  for (const overlay of readdirSync(path.join(folder, 'kustomize/overlays')))
    edit(path.join(folder, 'kustomize/overlays', overlay, 'kustomization.yaml'), (text) =>
      text.replace(/^namespace: .*$/m, `namespace: ${namespace}`),
    );
  // Argo CD finds both on its PATH; kubectl contains kustomize.
  const bin = path.join(dir, 'bin');
  await mkdir(bin);
  symlinkSync(programs.helm.program, path.join(bin, 'helm'));
  writeProgram(path.join(bin, 'kustomize'), `shift\nexec '${programs.kubectl.program}' kustomize "$@"`);
  writeProgram(path.join(bin, 'cuj-gate'), `exec '${process.execPath}' '${gateProgram}' "$@"`);
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: dir, GATE_URL: gate.url, ...metrics.gateEnv };
  const run = async (program: string, ...args: string[]) =>
    (await runProgram(program, args, { cwd: folder, env })).stdout;
  const shop: Shop = {
    context,
    folder,
    argoCd,
    helm: (...args) => run('helm', ...args, '--kubeconfig', cluster.kubeconfig, '-n', namespace),
    kustomize: async (where) => objectsOf(await run(programs.kubectl.program, 'kustomize', where)),
    generate: async (...args) => void (await run(path.join(folder, 'generate.sh'), ...args)),
    cujGate: (from, ...args) => run('cuj-gate', ...args, '--registry', from, '--gate-url', gate.url),
    argo: async (application, ...args) =>
      JSON.parse(lastLine(await run(argoCd.program, application, ...args))),
  };
  await shop.generate(...shortTimes);
  await shop.generate(...shortTimes, '--check');
  return shop;
}

function writeProgram(file: string, lines: string): void {
  writeFileSync(file, `#!/bin/sh\n${lines}\n`);
  chmodSync(file, 0o755);
}

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

/** Argo CD's packages log to stdout. */
const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? '';

/** Every reference of an object to another of the same release must lead to one. Names of the paths are Argo's and Istio's own. */
function assertResolved(objects: KubeObject[], what: string): void {
  const names = new Set(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
  const wanted: string[] = [];
  for (const { kind, spec } of objects) {
    if (kind === 'Rollout') {
      const { canary } = spec.strategy;
      const steps = canary.steps.flatMap(({ analysis }: Loose) => analysis?.templates ?? []);
      for (const { templateName, clusterScope } of [...canary.analysis.templates, ...steps])
        wanted.push(`${clusterScope ? 'Cluster' : ''}AnalysisTemplate ${templateName}`);
      wanted.push(`Service ${canary.canaryService}`, `Service ${canary.stableService}`);
      wanted.push(`VirtualService ${canary.trafficRouting.istio.virtualService.name}`);
    }
    if (kind === 'VirtualService') {
      const routes = spec.http.flatMap(({ route }: Loose) => route);
      for (const host of [...spec.hosts, ...routes.map(({ destination }: Loose) => destination.host)])
        wanted.push(`Service ${host}`);
    }
    if (kind.endsWith('AnalysisTemplate'))
      for (const { valueFrom } of spec.args ?? [])
        if (valueFrom?.secretKeyRef) wanted.push(`Secret ${valueFrom.secretKeyRef.name}`);
  }
  assert.ok(wanted.length >= 5, `${what} has a Rollout and routes`);
  assert.deepEqual(
    wanted.filter((name) => !names.has(name)),
    [],
    `${what}: every reference leads to an object of the same release`,
  );
}

/** To templates, the metrics backend is a digest of the registry: otherwise this is the repository of the guide, which is Datadog's. */
async function differsByDigestsOnly({ folder, cujGate }: Shop): Promise<void> {
  const out = path.join(folder, 'of-the-guide');
  const shown = path.join(example, 'cujs.yaml');
  await cujGate(shown, 'generate', 'analysis-templates', ...shortTimes, '--out', out);
  const templates = (of: string) => path.join(of, 'analysis-templates');
  const made = templates(path.join(folder, 'manifests/cuj-gate'));
  const names = readdirSync(templates(out)).sort();
  assert.deepEqual(readdirSync(made).sort(), names);
  const textOf = (where: string, name: string) =>
    readFileSync(path.join(where, name), 'utf8').replaceAll(/(entry-digest: sha256:)\w+/g, '$1');
  for (const name of names) assert.equal(textOf(made, name), textOf(templates(out), name));
  rmSync(out, { recursive: true });
}

/** Why `--layout helm` exists: in templates/, the plain files are no templates of Helm. */
async function helmRefusesPlainTemplates({ folder, helm }: Shop): Promise<void> {
  const chart = path.join(folder, 'plain-chart');
  cpSync(path.join(folder, 'chart'), chart, { recursive: true });
  cpSync(path.join(folder, 'manifests/cuj-gate/analysis-templates'), path.join(chart, 'templates'), {
    recursive: true,
  });
  await assert.rejects(() => helm('template', 'member-api', chart), /function "args" not defined/);
}

const documents = (text: string) =>
  text
    .split(/^---$/m)
    .map((document) => document.replace(/^# Source: .*$/m, '').trim())
    .filter((document) => document !== '');

/** Comments included: nothing of a template may get lost or be evaluated. */
async function helmRendersThePlainBytes({ folder, helm, context: { log } }: Shop): Promise<void> {
  await helm('lint', 'chart', '--strict');
  const rendered = documents(
    await helm('template', 'member-api', 'chart', '--show-only', 'templates/cuj-gate.yaml'),
  );
  const plain = path.join(folder, 'manifests/cuj-gate/analysis-templates');
  const wanted = readdirSync(plain).flatMap((name) =>
    documents(readFileSync(path.join(plain, name), 'utf8')),
  );
  assert.deepEqual(rendered.sort(), wanted.sort());
  assertResolved(objectsOf(await helm('template', 'other-name', 'chart')), 'the chart under another name');
  log(`helm: ${rendered.length} templates, byte for byte`);
}

async function helmMissesNoFile({ folder, helm }: Shop): Promise<void> {
  const chart = path.join(folder, 'ignoring-chart');
  cpSync(path.join(folder, 'chart'), chart, { recursive: true });
  writeFileSync(path.join(chart, '.helmignore'), 'files/\n');
  await assert.rejects(
    () => helm('template', 'member-api', chart),
    /files\/cuj-gate\/analysis-templates\/cuj-signup\.yaml is not in the chart\. Does \.helmignore exclude it\?/,
  );
}

async function overlaysResolve({ kustomize, context: { kube, namespace } }: Shop): Promise<void> {
  for (const [overlay, name] of [
    ['staging', 'staging-member-api'],
    ['production', 'member-api-production'],
  ]) {
    const objects = await kustomize(`kustomize/overlays/${overlay}`);
    assert.ok(
      objects.some(({ kind, metadata }) => kind === 'Rollout' && metadata.name === name),
      overlay,
    );
    assertResolved(objects, overlay as string);
    await kube.apply(objects, { namespace, dryRun: true });
  }
}

/** Kustomize checks no lengths, as the guide says; the API server names the object and the limit. */
async function longNamesAreRefused({ folder, kustomize, context: { kube, namespace } }: Shop): Promise<void> {
  const prefix = `${'x'.repeat(63 - 'member-api-canary'.length)}`;
  const built = async (namePrefix: string) => {
    const overlay = path.join(folder, 'kustomize/overlays/long');
    await mkdir(overlay, { recursive: true });
    writeFileSync(
      path.join(overlay, 'kustomization.yaml'),
      `namespace: ${namespace}\nnamePrefix: ${namePrefix}\nresources: [../../base]\n`,
    );
    return kustomize(overlay);
  };
  await kube.apply(await built(prefix), { namespace, dryRun: true });
  await assert.rejects(
    async () => kube.apply(await built(`${prefix}x`), { namespace, dryRun: true }),
    /member-api-canary.*must be no more than 63/,
  );
}

/** `kubectl apply --recursive` reads every YAML and JSON file of the folder. */
async function kubectlReadsTheFolder({ folder, context }: Shop): Promise<void> {
  const { programs, cluster, namespace } = context;
  const { stdout } = await runProgram(programs.kubectl.program, [
    ...['apply', '--recursive', '-f', path.join(folder, 'manifests'), '--dry-run=server'],
    ...['--kubeconfig', cluster.kubeconfig, '-n', namespace, '-o', 'name'],
  ]);
  assert.equal(stdout.trim().split('\n').length, 9);
}

/** Secrets with a generated suffix, templates of the whole cluster, the samples, and what Argo publishes for Kustomize. */
async function generatedNamesAreReferencedToo(shop: Shop): Promise<void> {
  const { folder, kustomize, cujGate, context } = shop;
  const what = ['analysis-templates', 'rollout', 'virtual-service'];
  const token = ['--auth-secret', 'cuj-gate-token/token'];
  const transform = path.join(folder, 'variant-transform.yaml');
  writeFileSync(
    transform,
    'nameReference:\n- { kind: Service, fieldSpecs: [{ kind: Rollout, path: spec/strategy/canary/canaryService }] }\n',
  );
  for (const [name, flags] of [
    ['token', token],
    ['cluster', [...token, '--kind', 'ClusterAnalysisTemplate']],
  ] as const) {
    const out = path.join(folder, name, 'cuj-gate');
    await cujGate('cujs.yaml', 'generate', ...what, ...flags, '--layout', 'kustomize', '--out', out);
    cpSync(transform, path.join(folder, name, 'transform.yaml'));
    writeFileSync(
      path.join(folder, name, 'kustomization.yaml'),
      [
        `namespace: ${context.namespace}`,
        'namePrefix: a-',
        'nameSuffix: -b',
        'resources: [cuj-gate]',
        'configurations: [transform.yaml]',
        'secretGenerator: [{ name: cuj-gate-token, literals: [token=x] }]',
      ].join('\n'),
    );
    const objects = await kustomize(name);
    assertResolved(objects, name);
    const secret = objects.find(({ kind }) => kind === 'Secret');
    assert.match(secret?.metadata.name ?? '', /^a-cuj-gate-token-b-[a-z0-9]+$/);
    await context.kube.apply(objects, { namespace: context.namespace, dryRun: true });
  }
}

/** Argo CD's and Flux's own definitions accept the Applications and Flux's objects, to the last field. */
async function acceptsGitOpsObjects({
  folder,
  argoCd,
  context: { kube, namespace, log },
}: Shop): Promise<void> {
  const flux = await ensurePrograms(['flux-kustomize-crds', 'flux-source-crds'], log);
  const definitions = [
    path.join(argoCd.files, 'application-crd.yaml'),
    path.join(flux['flux-kustomize-crds'].files, 'kustomize.toolkit.fluxcd.io_kustomizations.yaml'),
    path.join(flux['flux-source-crds'].files, 'source.toolkit.fluxcd.io_gitrepositories.yaml'),
  ];
  for (const file of definitions) await kube.apply(readFileSync(file, 'utf8'));
  const files = [
    'argo-cd/chart',
    'argo-cd/kustomize',
    'argo-cd/manifests',
    'flux/source',
    'flux/kustomization',
  ];
  for (const file of files) {
    const [object] = objectsOf(readFileSync(path.join(folder, `${file}.yaml`), 'utf8')) as [KubeObject];
    await waitFor(() => kube.serves(object), { what: `${object.kind}s to be served`, timeoutMs: 20_000 });
    const { namespace: _, ...metadata } = object.metadata;
    await kube.apply({ ...object, metadata }, { namespace, dryRun: true });
  }
}

async function argoCdRenders({ folder, argo, helm, kustomize, context }: Shop): Promise<void> {
  const { kube, namespace, log } = context;
  const member = objectsOf(readFileSync(path.join(folder, 'manifests/member-api.yaml'), 'utf8'));
  const templates = (name: string) =>
    objectsOf(readFileSync(path.join(folder, `manifests/cuj-gate/analysis-templates/${name}.yaml`), 'utf8'));
  const wanted: Record<string, KubeObject[]> = {
    chart: objectsOf(await helm('template', 'member-api', 'chart')),
    kustomize: await kustomize('kustomize/overlays/staging'),
    manifests: [...member, ...templates('cuj-signup'), ...templates('service-member-api')],
  };
  const byName = (objects: KubeObject[]) =>
    Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata?.name}`, object]));
  for (const [application, objects] of Object.entries(wanted)) {
    const rendered: KubeObject[] = await argo(`argo-cd/${application}.yaml`, 'render', folder);
    assert.deepEqual(byName(rendered), byName(objects), application);
    assertResolved(rendered, application);
    const waves = rendered.map(({ kind, metadata }) => [
      kind,
      Number(metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? 0),
    ]);
    const last = Math.max(
      ...waves.filter(([kind]) => kind === 'AnalysisTemplate').map(([, wave]) => wave as number),
    );
    const first = Math.min(...waves.filter(([kind]) => kind === 'Rollout').map(([, wave]) => wave as number));
    assert.ok(last < first, `${application}: templates in wave ${last}, Rollouts in wave ${first}`);
    await kube.apply(rendered, { namespace, dryRun: true });
  }
  // What the manifest was called until 0.1 is an object without a kind to Argo CD.
  const manifest = path.join(folder, 'manifests/cuj-gate', manifestName);
  const former = path.join(folder, 'manifests/cuj-gate', formerManifestName);
  cpSync(manifest, former);
  const spoiled: KubeObject[] = await argo('argo-cd/manifests.yaml', 'render', folder);
  assert.equal(spoiled.filter(({ kind }) => kind === undefined).length, 1);
  rmSync(former);
  log("Argo CD's own code renders the chart, an overlay and the folder");
}

/** The Application's own ignoreDifferences, on weights as the controller writes them in a rollout. */
async function argoCdIgnoresWeights({ folder, argo }: Shop): Promise<void> {
  const target = objectsOf(readFileSync(path.join(folder, 'manifests/member-api.yaml'), 'utf8')).find(
    ({ kind }) => kind === 'VirtualService',
  ) as KubeObject;
  const live = structuredClone(target);
  live.spec.http[0].route[0].weight = 75;
  live.spec.http[0].route[1].weight = 25;
  const changed = structuredClone(target);
  changed.spec.http[0].timeout = '3s';
  for (const [name, object] of Object.entries({ live, target, changed }))
    writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(object));

  const compare = (application: string, wanted: string) => argo(application, 'compare', 'live.json', wanted);
  const application = 'argo-cd/manifests.yaml';
  assert.equal((await compare(application, 'target.json')).outOfSync, false);
  const { outOfSync, applied } = await compare(application, 'changed.json');
  assert.equal(outOfSync, true, 'other differences still count');
  assert.equal(applied.spec.http[0].timeout, '3s', 'and are applied');

  const text = readFileSync(path.join(folder, application), 'utf8');
  const plain = text.replace(/^ {2}ignoreDifferences:\n(?: {4}.*\n)+/m, '');
  writeFileSync(path.join(folder, 'plain.yaml'), plain);
  assert.equal((await compare('plain.yaml', 'target.json')).outOfSync, true);
  // Why the guide does not recommend it.
  writeFileSync(
    path.join(folder, 'respect.yaml'),
    text.replace('CreateNamespace=true', 'RespectIgnoreDifferences=true'),
  );
  const respected = (await compare('respect.yaml', 'changed.json')).applied.spec.http[0];
  assert.equal(respected.route[0].weight, 75);
  assert.equal(respected.timeout, undefined);
}

/** A chart that is installed already, and templates that kubectl applied before, as the guide assumes. */
async function helmInstalls({ helm, folder, context: { kube, namespace } }: Shop): Promise<void> {
  const before = path.join(folder, 'chart-before');
  cpSync(path.join(folder, 'chart'), before, { recursive: true });
  rmSync(path.join(before, 'templates/cuj-gate.yaml'));
  const plain = path.join(folder, 'manifests/cuj-gate/analysis-templates/cuj-signup.yaml');
  await kube.apply(readFileSync(plain, 'utf8'), { namespace });
  await helm('install', 'member-api', before);
  await untilPhase(kube, { namespace, name: 'member-api' }, 'Healthy');

  await assert.rejects(() => helm('upgrade', 'member-api', 'chart'), /invalid ownership metadata/);
  await helm('upgrade', 'member-api', 'chart', '--take-ownership');
  const templates = async () =>
    (await kube.list(kinds.AnalysisTemplate, namespace)).map(({ metadata }) => metadata.name).sort();
  const all = [
    ...['gate', 'watch'].map((use) => `cuj-signup-${use}`),
    ...['gate', 'watch'].map((use) => `service-member-api-${use}`),
  ];
  assert.deepEqual(await templates(), all);
  await untilPhase(kube, { namespace, name: 'member-api' }, 'Healthy');
  await helm('upgrade', 'member-api', 'chart', '--set', 'replicas=2');
  // One release with the templates in a namespace: the guide says so.
  await assert.rejects(() => helm('install', 'second', 'chart'), /invalid ownership metadata/);
  await helm('uninstall', 'member-api', '--wait');
  assert.deepEqual(await templates(), []);
}

/** Flux applies all at once: a Rollout that is created before its templates must not stay invalid. */
async function templatesMayComeLater({ folder, context: { kube, namespace } }: Shop): Promise<void> {
  const service = { namespace, name: 'member-api' };
  await kube.apply(readFileSync(path.join(folder, 'manifests/member-api.yaml'), 'utf8'), { namespace });
  await untilPhase(kube, service, 'Degraded', 30_000);
  const templates = path.join(folder, 'manifests/cuj-gate/analysis-templates');
  for (const name of readdirSync(templates))
    await kube.apply(readFileSync(path.join(templates, name), 'utf8'), { namespace });
  await untilPhase(kube, service, 'Healthy', 60_000);
  await kube.delete(kinds.Rollout, namespace, 'member-api');
}

/** The staging overlay with a suffix as well: a release is judged by the gate, by templates with other names. */
async function releasesUnderAPrefix(shop: Shop, world: World): Promise<void> {
  const { folder, kustomize, context } = shop;
  const { kube, namespace, programs, cluster, log } = context;
  const overlay = path.join(folder, 'kustomize/overlays/staging');
  edit(path.join(overlay, 'kustomization.yaml'), (text) =>
    // Shorter pauses, and the environment of the one registry that there is here.
    `${text.replaceAll('staging\n', 'production\n').replace('value: staging }', 'value: production }')}`
      .replace('namePrefix: staging-', 'namePrefix: staging-\nnameSuffix: -b')
      .concat(
        '      - { op: replace, path: /spec/strategy/canary/steps/1/pause/duration, value: 15s }\n',
        '      - { op: replace, path: /spec/strategy/canary/steps/4/pause/duration, value: 5s }\n',
      ),
  );
  const objects = await kustomize('kustomize/overlays/staging');
  assertResolved(objects, 'the overlay with prefix and suffix');
  await runProgram(programs.kubectl.program, [
    ...['apply', '--server-side', '-k', overlay, '--kubeconfig', cluster.kubeconfig],
  ]);
  const service = { namespace, name: 'staging-member-api-b' };
  const { stableHash } = await untilPhase(kube, service, 'Healthy');
  const release = new Release(context, service, stableHash);
  const of = { service: 'member-api' };
  const { metrics } = world;
  metrics.traffic({ ...of, version: stableHash, from: -120, to: 10, appRequestsPerMinute: 15_000 });
  await metrics.untilStored();
  await release.start('v1.1.0');
  world.canary(release, of);

  const split = (wanted: string) =>
    waitFor(() => weights(kube, service).then(String), {
      what: `weights ${wanted}`,
      timeoutMs: 30_000,
      until: (now) => now === wanted,
    });
  await split('75,25');
  // A sync in the middle of a rollout applies the weights of the repository: the controller sets its own again.
  const route = objects.find(({ kind }) => kind === 'VirtualService') as KubeObject;
  const reset = Date.now();
  await kube.apply(route, { namespace });
  await split('75,25');
  log(`weights that a sync resets are back after ${((Date.now() - reset) / 1000).toFixed(1)} s`);

  const runs = await release.untilPromoted();
  assert.equal(runs.length, 2);
  for (const run of runs)
    for (const { value } of measurementValues(run))
      assert.match(value, /^"PASS signup \(within_slo\): 0 of \d+ requests failed/);
}
