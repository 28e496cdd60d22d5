import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeChartArchive } from '../../../src/bundle/chart-archive.ts';
import { type KubeObject, kinds, objectsOf } from '../kube.ts';
import { removeTemporary, temporaryFolder } from '../mortal.ts';
import { ensurePrograms } from '../programs.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';

const root = path.join(import.meta.dirname, '../../..');
const chart = path.join(root, 'helm', 'cuj-gate');
const testdata = path.join(root, 'test', 'helm', 'testdata');
/** Golden renderings; UPDATE_GOLDEN=1 writes them again. */
const renderings = [
  { name: 'minimal', values: 'minimal', args: [] },
  { name: 'minimal-kubernetes-1.29', values: 'minimal', args: ['--kube-version', '1.29.0'] },
  { name: 'volume', values: 'volume', args: [] },
  { name: 'guarded', values: 'guarded', args: [] },
  { name: 'tls', values: 'tls', args: [] },
  { name: 'monitoring', values: 'monitoring', args: [] },
  { name: 'everything', values: 'everything', args: [] },
  { name: 'bare', values: 'bare', args: [] },
  // The values of docs/browser-access.md.
  { name: 'browser', values: 'browser', args: [] },
  { name: 'gateway', values: 'gateway', args: [] },
  { name: 'prometheus', values: 'prometheus', args: [] },
  { name: 'prometheus-token', values: 'prometheus-token', args: [] },
  { name: 'mixed', values: 'mixed', args: [] },
];

/** One wrong value, and the message that the chart must give. */
const refused: [what: string, args: string[], message: RegExp][] = [
  ['a misspelt value', ['--set', 'replicaCont=3'], /additional properties 'replicaCont' not allowed/],
  [
    'a duration without a unit',
    ['--set-string', 'settings.deadline=8'],
    /settings\/deadline.*does not match pattern/,
  ],
  [
    'a site of nobody',
    ['--set', 'datadog.site=datadog.com'],
    /datadog\/site.*must be one of 'datadoghq.com'/,
  ],
  ['no image', ['--set', 'image.repository='], /image\.repository is empty: build the Dockerfile/],
  [
    'no keys',
    ['--set', 'datadog.existingSecret='],
    /kubectl -n chart create secret generic cuj-gate-datadog/,
  ],
  [
    'another backend without its address',
    ['--set', 'settings.backend=prometheus'],
    /prometheus\.url is empty/,
  ],
  [
    'a backend of nobody',
    ['--set', 'settings.backend=prometeus'],
    /settings\.backend is prometeus: it is datadog or prometheus/,
  ],
  [
    'a setting of another backend than an own one',
    ['--set', 'extraBackends={graphite},extraEnv[0].name=CUJ_GATE_GRAFITE_URL'],
    /extraEnv contains CUJ_GATE_GRAFITE_URL, which is not a setting of the gate/,
  ],
  [
    'one port for two backends',
    ['--set', 'prometheus.url=http://p:9090,networkPolicy.enabled=true,networkPolicy.egressPort=9090'],
    /no egress to port 443, which datadog\.site needs/,
  ],
  [
    'credentials without a Secret',
    [
      '--set',
      'settings.backend=prometheus,prometheus.url=http://p:9090,prometheus.tokenKey=t,prometheus.username=u',
    ],
    /prometheus\.existingSecret is empty[\s\S]*prometheus\.username and prometheus\.passwordKey: set both[\s\S]*keep one of them/,
  ],
  [
    'results that everybody could sign',
    ['--set', 'settings.backend=prometheus,prometheus.url=http://p:9090,redis.existingSecret=r'],
    /redis is set with prometheus: set prometheus\.cacheKeyKey/,
  ],
  [
    'no registry',
    ['--set', 'registry.existingConfigMap='],
    /there is no registry: give registry\.existingConfigMap/,
  ],
  ['two registries', ['--set', 'registry.files.a\\.yaml=x'], /registry\.volume: keep one of them/],
  [
    'a setting given twice',
    ['--set', 'extraEnv[0].name=CUJ_GATE_DEADLINE'],
    /extraEnv contains CUJ_GATE_DEADLINE: set settings\.deadline instead/,
  ],
  [
    'bounds the wrong way round',
    ['--set', 'autoscaling.enabled=true,autoscaling.minReplicas=9'],
    /minReplicas is above/,
  ],
  [
    'a history in a Redis that is not there',
    ['--set', 'history.store=redis'],
    /history\.store is redis without redis\.existingSecret/,
  ],
  [
    'a volume for two replicas',
    ['--set', 'history.store=folder,history.volume.persistentVolumeClaim.claimName=x'],
    /history\.volume is a persistentVolumeClaim for more than one replica/,
  ],
  [
    'events that go around a proxy',
    ['--set', 'datadog.url=https://proxy.example.com,datadog.events.existingSecret=events'],
    /without datadog\.events\.url: say where events go/,
  ],
  [
    'an intake of events without a key',
    ['--set', 'datadog.events.url=https://proxy.example.com'],
    /datadog\.events\.url is set without datadog\.events\.existingSecret/,
  ],
  [
    'an agent that gets 401',
    ['--set', 'datadogAgent.enabled=true,auth.metrics=true,auth.tokens.existingSecret=t'],
    /datadogAgent is enabled and auth\.metrics is on/,
  ],
  [
    'an agent that cannot connect',
    ['--set', 'datadogAgent.enabled=true,networkPolicy.enabled=true'],
    /datadogAgent is enabled and networkPolicy\.metricsFrom is empty/,
  ],
  [
    'an agent that speaks no TLS',
    ['--set', 'datadogAgent.enabled=true,tls.existingSecret=t'],
    /datadogAgent is enabled and \/metrics uses TLS: set adminPort/,
  ],
  [
    'an issuer without an audience',
    ['--set', 'auth.oidc.issuer=https://login.example.com'],
    /auth\.oidc\.issuer is set without auth\.oidc\.audience/,
  ],
  [
    'an issuer in plain HTTP',
    ['--set', 'auth.oidc.issuer=http://login.example.com,auth.oidc.audience=x'],
    /auth\/oidc\/issuer.*does not match pattern/,
  ],
  ['an audience without an issuer', ['--set', 'auth.oidc.audience=x'], /auth\.oidc has values but no issuer/],
  [
    "people's issuer without an audience",
    ['--set', 'auth.tokens.existingSecret=t,auth.browserOidc.issuer=https://login.example.com'],
    /auth\.browserOidc\.issuer is set without auth\.browserOidc\.audience/,
  ],
  [
    "people's claim without their issuer",
    ['--set', 'auth.browserOidc.claim=groups=x'],
    /auth\.browserOidc has values but no issuer: set auth\.browserOidc\.issuer/,
  ],
  [
    "people's issuer where Argo has no token",
    ['--set', 'auth.browserOidc.issuer=https://login.example.com,auth.browserOidc.audience=pages'],
    /auth\.browserOidc is set without auth\.tokens or auth\.oidc: Argo Rollouts would get 401/,
  ],
  [
    'one client for people and Argo',
    [
      ...['--set', 'auth.oidc.issuer=https://login.example.com,auth.oidc.audience=gate'],
      ...['--set', 'auth.browserOidc.issuer=https://login.example.com,auth.browserOidc.audience=gate'],
    ],
    /register another client for browsers, or remove auth\.browserOidc/,
  ],
  [
    'a public URL and a path that differ',
    ['--set', 'settings.publicUrl=https://gate.example.com/a,settings.basePath=/b'],
    /settings\.basePath is \/b and the path of settings\.publicUrl is \/a: remove settings\.basePath/,
  ],
  ...['ingress', 'httpRoute'].flatMap((kind): [string, string[], RegExp][] => [
    [
      `${kind} without a host`,
      ['--set', `${kind}.enabled=true`, '--set-json', 'httpRoute.parentRefs=[{"name":"public"}]'],
      new RegExp(`${kind} is enabled without settings\\.publicUrl`),
    ],
    [
      `${kind} that the policy keeps out`,
      [
        ...['--set', `${kind}.enabled=true,networkPolicy.enabled=true`],
        ...['--set', 'settings.publicUrl=https://gate.example.com'],
        ...['--set-json', 'httpRoute.parentRefs=[{"name":"public"}]'],
      ],
      new RegExp(`${kind} is enabled and networkPolicy\\.browserFrom is empty`),
    ],
  ]),
  [
    'a route of no Gateway',
    ['--set', 'httpRoute.enabled=true,settings.publicUrl=https://gate.example.com'],
    /httpRoute is enabled without httpRoute\.parentRefs: name the Gateway/,
  ],
  ['metrics for nobody', ['--set', 'auth.metrics=true'], /auth\.metrics is on, but no tokens are configured/],
  [
    'client certificates without TLS',
    ['--set', 'tls.clientCa.existingConfigMap=ca,adminPort=9090'],
    /tls\.clientCa is set without tls\.existingSecret/,
  ],
  [
    'probes that would need a certificate',
    ['--set', 'tls.clientCa.existingConfigMap=ca,tls.existingSecret=tls'],
    /tls\.clientCa is set without adminPort/,
  ],
  ['one port for both', ['--set', 'adminPort=8080'], /adminPort is 8080, which the pod uses for requests/],
  [
    'a setting of its own given twice',
    ['--set', 'extraEnv[0].name=CUJ_GATE_AUTH_TOKENS_FILE'],
    /extraEnv contains CUJ_GATE_AUTH_TOKENS_FILE: set auth\.tokens\.existingSecret instead/,
  ],
  [
    'a deadline that Argo would not wait for',
    ['--set', 'settings.deadline=10s'],
    /settings\.deadline is 10s: from 100ms/,
  ],
  ['a deadline that is none', ['--set', 'settings.deadline=50ms'], /settings\.deadline is 50ms: from 100ms/],
  ['a clock that is too far off', ['--set', 'auth.oidc.clockSkew=6m'], /auth\.oidc\.clockSkew is 6m/],
  [
    'a cache that keeps nothing, shared',
    ['--set', 'redis.existingSecret=redis,settings.cacheTtl=0s'],
    /redis is set with a settings\.cacheTtl of 0/,
  ],
  [
    'a Prometheus that the policy keeps out',
    ['--set', 'serviceMonitor.enabled=true,networkPolicy.enabled=true'],
    /networkPolicy\.metricsFrom is empty: Prometheus could not connect/,
  ],
  [
    'a Prometheus without a token',
    ['--set', 'serviceMonitor.enabled=true,auth.metrics=true,auth.tokens.existingSecret=tokens'],
    /set serviceMonitor\.authorization, or Prometheus gets 401/,
  ],
  [
    'a Prometheus that trusts nobody',
    ['--set', 'serviceMonitor.enabled=true,tls.existingSecret=tls'],
    /set serviceMonitor\.tlsConfig with the CA, or adminPort/,
  ],
  [
    'a policy that names nobody',
    ['--set', 'networkPolicy.enabled=true', '--set-json', 'networkPolicy.from=[]'],
    /networkPolicy\.from is empty/,
  ],
  [
    'a policy whose peers were taken away',
    ['--set', 'networkPolicy.enabled=true', '--set-json', 'networkPolicy.from=null'],
    /networkPolicy\.from is empty/,
  ],
  [
    'the URL of a Redis in plain sight',
    ['--set', 'extraEnv[0].name=CUJ_GATE_REDIS_URL'],
    /extraEnv contains CUJ_GATE_REDIS_URL: set redis\.existingSecret instead/,
  ],
  [
    'a misspelt setting',
    ['--set', 'extraEnv[0].name=CUJ_GATE_AUTH_TOKENS_FIEL'],
    /extraEnv contains CUJ_GATE_AUTH_TOKENS_FIEL, which is not a setting of the gate: it would not start/,
  ],
  [
    'traces given twice',
    ['--set', 'extraEnv[0].name=OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
    /extraEnv contains OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: set tracing\.endpoint instead/,
  ],
  [
    'a variable given twice',
    ['--set', 'extraEnv[0].name=TZ,extraEnv[1].name=TZ'],
    /extraEnv contains TZ twice: keep one of them/,
  ],
  [
    "a label of a pod that is the selector's",
    ['--set', 'podLabels.app\\.kubernetes\\.io/name=x'],
    /podLabels contains app\.kubernetes\.io\/name, a label that the chart sets/,
  ],
  ...['serviceMonitor', 'prometheusRule', 'dashboard'].map((section): [string, string[], RegExp] => [
    `a label of ${section} that is the chart's`,
    ['--set', `${section}.labels.app\\.kubernetes\\.io/instance=x`],
    new RegExp(`${section}\\.labels contains app\\.kubernetes\\.io/instance, a label that the chart sets`),
  ]),
  ...['/v1/traces', '/otlp/v1/traces/'].map((path): [string, string[], RegExp] => [
    'a collector with the path that the gate adds',
    ['--set', `tracing.endpoint=http://otel:4318${path}`],
    /tracing\.endpoint ends in \/v1\/traces, which the gate appends/,
  ]),
  ...['localhost', '127.0.0.1', '127.1', '::1', '0:0:0:0:0:0:0:1'].map((host): [string, string[], RegExp] => [
    'an address that no probe reaches',
    ['--set', `settings.host=${host}`],
    new RegExp(`settings\\.host is ${host}, which is unreachable from outside the pod`),
  ]),
  [
    'a scrape that outlasts its interval',
    ['--set', 'serviceMonitor.interval=5s'],
    /serviceMonitor\.scrapeTimeout is 10s, longer than serviceMonitor\.interval, 5s/,
  ],
  [
    'a proxy that the policy keeps from the gate',
    ['--set', 'networkPolicy.enabled=true,datadog.url=http://proxy:3128'],
    /networkPolicy allows no egress to port 3128, which datadog\.url needs/,
  ],
  [
    'an issuer that the policy keeps from the gate',
    ['--set', 'networkPolicy.enabled=true,auth.oidc.issuer=https://login:8443/x,auth.oidc.audience=gate'],
    /networkPolicy allows no egress to port 8443, which auth\.oidc\.issuer needs/,
  ],
  [
    "people's issuer that the policy keeps from the gate",
    [
      ...['--set', 'networkPolicy.enabled=true,auth.tokens.existingSecret=t'],
      ...['--set', 'auth.browserOidc.issuer=https://login:8444/x,auth.browserOidc.audience=gate'],
    ],
    /networkPolicy allows no egress to port 8444, which auth\.browserOidc\.issuer needs/,
  ],
  ['rules that are none', ['--set', 'prometheusRule.rules=x'], /prometheusRule\.rules contains no groups/],
  ['a dashboard that is none', ['--set', 'dashboard.json=x'], /dashboard\.json contains no panels/],
  ['a Kubernetes that is too old', ['--kube-version', '1.26.0'], /requires kubeVersion: >=1\.27/],
];

/** Values, and what the notes after an installation must and must not say. */
const notes: [what: string, args: string[], says: RegExp[], not: RegExp[]][] = [
  [
    'nobody is kept away',
    [],
    [/Everything in this cluster may ask it: set networkPolicy/],
    [/--auth-secret/],
  ],
  ['a policy is', ['--set', 'networkPolicy.enabled=true'], [], [/may ask it/]],
  [
    'a load balancer without auth, whatever a policy says',
    ['--set', 'service.type=LoadBalancer,networkPolicy.enabled=true'],
    [/Everyone who can reach the load balancer may ask it: set auth\.tokens/],
    [/Everything in this cluster/],
  ],
  [
    'a node port without auth',
    ['--set', 'service.type=NodePort'],
    [/Everyone who can reach the node port may ask it/],
    [/Everything in this cluster/],
  ],
  [
    'a load balancer with tokens, but open metrics',
    ['--set', 'service.type=LoadBalancer,auth.tokens.existingSecret=tokens'],
    [/Everyone who can reach the load balancer may read \/metrics: set adminPort/],
    [/may ask it/],
  ],
  [
    'nothing that is open',
    ['--set', 'service.type=LoadBalancer,auth.tokens.existingSecret=tokens,adminPort=9090'],
    [],
    [/Everyone who can reach/],
  ],
  [
    'an Ingress to the gate itself without auth',
    ['--set', 'ingress.enabled=true,settings.publicUrl=https://gate.example.com'],
    [
      /People open https:\/\/gate\.example\.com in a browser/,
      /Everyone who can reach the Ingress may ask it: set auth\.tokens/,
      /its service to a proxy that signs people in/,
      /Everyone who can reach the Ingress may read \/metrics/,
    ],
    [/service\.type/],
  ],
  [
    'an Ingress to a proxy',
    ['-f', valuesFile('browser')],
    [/People open https:\/\/releases\.example\.com\/cuj-gate in a browser/],
    [/Everyone who can reach/, /may ask it/],
  ],
  [
    'tokens',
    ['--set', 'auth.tokens.existingSecret=tokens'],
    [
      /--gate-url http:\/\/gate-cuj-gate\.\S+:8080 --auth-secret cuj-gate\/token`/,
      /one of the Secret tokens/,
    ],
    [/oauth2/],
  ],
  [
    'an issuer',
    ['--set', 'auth.oidc.issuer=https://login.example.com,auth.oidc.audience=gate'],
    [/--oauth2-token-url URL --oauth2-secret NAME`/],
    [/--auth-secret/],
  ],
];

export const scenario: Scenario = {
  name: 'chart',
  what: 'the real helm lints and renders the chart, and refuses bad values; the API server accepts what it makes',
  backends: [],
  async run(context) {
    await lints(context);
    await refuses(context);
    const rendered = await renders(context);
    await readsTheArchive(context);
    await defineResources(context);
    for (const objects of rendered) await acceptsAll(context, objects);
    await admitsPods(context, rendered);
    await alerts();
    await notesSay(context);
    await installs(context);
  },
};

function valuesFile(name: string): string {
  return path.join(testdata, `${name}.values.yaml`);
}

async function lints({ programs, log }: ScenarioContext): Promise<void> {
  const files = readdirSync(testdata).filter((file) => file.endsWith('.values.yaml'));
  for (const file of files) {
    const { stdout } = await runProgram(programs.helm.program, [
      'lint',
      '--strict',
      chart,
      '-f',
      path.join(testdata, file),
    ]);
    assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
  }
  log(`linted with ${files.length} sets of values`);
}

async function refuses({ programs, namespace }: ScenarioContext): Promise<void> {
  for (const [what, args, message] of refused) {
    const said = await runProgram(programs.helm.program, [
      'template',
      'gate',
      chart,
      '-n',
      namespace,
      '-f',
      valuesFile('minimal'),
      ...args,
    ]).then(
      () => 'nothing: it was accepted',
      (error: { stderr: string }) => error.stderr,
    );
    assert.match(said, message, what);
  }
}

async function renders({ programs, namespace }: ScenarioContext): Promise<KubeObject[][]> {
  const rendered: KubeObject[][] = [];
  for (const { name, values, args } of renderings) {
    const { stdout } = await runProgram(programs.helm.program, [
      'template',
      'gate',
      chart,
      '-n',
      namespace,
      '-f',
      valuesFile(values),
      ...args,
    ]);
    const golden = path.join(testdata, `${name}.golden.yaml`);
    if (process.env.UPDATE_GOLDEN) writeFileSync(golden, stdout);
    assert.equal(
      stdout,
      readFileSync(golden, 'utf8'),
      `${golden} differs; UPDATE_GOLDEN=1 npm run e2e -- --only chart`,
    );
    rendered.push(objectsOf(stdout));
  }
  return rendered;
}

/** What a dry run of a release writes is a chart to the real helm, and renders as the folder does. */
async function readsTheArchive({ programs, namespace, dir }: ScenarioContext): Promise<void> {
  const archive = path.join(dir, 'cuj-gate.tgz');
  await writeChartArchive(root, archive, { drafts: dir, epochSeconds: 0 });
  const values = ['-f', valuesFile('everything')];
  await runProgram(programs.helm.program, ['lint', '--strict', archive, ...values]);
  const { stdout } = await runProgram(programs.helm.program, [
    ...['template', 'gate', archive, '-n', namespace, ...values],
  ]);
  assert.equal(stdout, readFileSync(path.join(testdata, 'everything.golden.yaml'), 'utf8'));
}

/** ServiceMonitor, PrometheusRule and HTTPRoute. */
async function defineResources({ kube, log }: ScenarioContext): Promise<void> {
  const { 'prometheus-crds': built, 'gateway-api-crds': gateway } = await ensurePrograms(
    ['prometheus-crds', 'gateway-api-crds'],
    log,
  );
  for (const plural of ['servicemonitors', 'prometheusrules']) {
    await kube.apply(readFileSync(path.join(built.files, `monitoring.coreos.com_${plural}.yaml`), 'utf8'));
  }
  const routes = readFileSync(path.join(gateway.files, 'gateway.networking.k8s.io_httproutes.yaml'), 'utf8');
  await kube.apply(routes);
  const defined = [
    { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor' },
    { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute' },
  ];
  for (const kind of defined) {
    await waitFor(() => kube.serves(kind), { what: `${kind.kind}s to be served`, timeoutMs: 20_000 });
  }
}

/** Server-side apply as a dry run: refuses unknown fields, wrong types and broken rules. */
async function acceptsAll({ kube }: ScenarioContext, objects: KubeObject[]): Promise<void> {
  assert.ok(objects.length >= 3, 'the Deployment, a Service and the pod of `helm test`');
  await kube.apply(objects, { dryRun: true });
}

/** A namespace that enforces Kubernetes' strictest profile admits the gate's pods. */
async function admitsPods(
  { kube, namespace, onEnd }: ScenarioContext,
  rendered: KubeObject[][],
): Promise<void> {
  const restricted = `${namespace}-restricted`;
  await kube.apply({
    ...kinds.Namespace,
    metadata: { name: restricted, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  onEnd(() => kube.delete(kinds.Namespace, undefined, restricted));
  const pods = rendered.flat().flatMap((object) => {
    if (object.kind === 'Pod') return [object.spec];
    return object.kind === 'Deployment' ? [object.spec.template.spec] : [];
  });
  assert.ok(pods.length >= 2 * renderings.length, 'the gate and the pod of `helm test`, of each rendering');
  for (const spec of pods) {
    // The priority class belongs to the cluster and does not exist here.
    const pod = { ...spec, priorityClassName: undefined };
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'gate' }, spec: pod };
    await kube.apply(object, { namespace: restricted, dryRun: true });
    // A check that admits everything would prove nothing.
    const [container] = pod.containers;
    const spoiled = { ...pod, containers: [{ ...container, securityContext: {} }] };
    await assert.rejects(
      () => kube.apply({ ...object, spec: spoiled }, { namespace: restricted, dryRun: true }),
      /violates PodSecurity "restricted/,
    );
  }
}

/** The chart's alerts fire when the generated ones do, without owner labels: the chart does not know the owners. */
async function alerts(): Promise<void> {
  const dir = temporaryFolder();
  try {
    const rules = path.join(dir, 'cuj-gate.rules.yaml');
    const cases = path.join(dir, 'cuj-gate.rules.test.yaml');
    const generated = path.join(root, 'test', 'generate', 'testdata', 'cuj-gate.rules.test.yaml');
    copyFileSync(path.join(chart, 'files', 'gate.rules.yaml'), rules);
    const text = readFileSync(generated, 'utf8');
    writeFileSync(cases, text.replaceAll(', owner="team-identity", tier="1"}', '}'));
    await runProgram('promtool', ['check', 'rules', '--lint-fatal', rules]);
    await runProgram('promtool', ['test', 'rules', cases]);
  } finally {
    removeTemporary(dir);
  }
}

async function notesSay({ programs, cluster, namespace, dir }: ScenarioContext): Promise<void> {
  for (const [what, args, says, not] of notes) {
    const { stdout } = await runProgram(
      programs.helm.program,
      [
        ...['install', 'gate', chart, '--dry-run=client', '-f', valuesFile('minimal'), ...args],
        ...['--kubeconfig', cluster.kubeconfig, '-n', namespace],
      ],
      { env: { PATH: process.env.PATH, HOME: dir } },
    );
    const said = stdout.slice(stdout.indexOf('\nNOTES:'));
    for (const one of says) assert.match(said, one, what);
    for (const one of not) assert.doesNotMatch(said, one, what);
  }
}

async function installs({ programs, cluster, namespace, kube, dir }: ScenarioContext): Promise<void> {
  const helm = (...args: string[]) =>
    runProgram(programs.helm.program, [...args, '--kubeconfig', cluster.kubeconfig, '-n', namespace], {
      env: { PATH: process.env.PATH, HOME: dir },
    });
  const { stdout } = await helm('install', 'gate', chart, '-f', valuesFile('minimal'));
  const next = `kubectl -n ${namespace} rollout status deployment/gate-cuj-gate`;
  assert.ok(stdout.includes(next), `the notes say the next command:\n${stdout}`);
  assert.ok(stdout.includes(`http://gate-cuj-gate.${namespace}.svc:8080/cujs/<name>/status`), stdout);

  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment' };
  assert.equal((await kube.get(deployment, namespace, 'gate-cuj-gate')).spec.replicas, 2);
  await helm('upgrade', 'gate', chart, '-f', valuesFile('minimal'), '--set', 'replicaCount=3');
  assert.equal((await kube.get(deployment, namespace, 'gate-cuj-gate')).spec.replicas, 3);
  await helm('uninstall', 'gate');
  assert.deepEqual(await kube.list(deployment, namespace), []);
}
