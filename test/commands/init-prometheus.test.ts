import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { Loopback, respond } from '../sources/datadog/loopback.ts';
import { capture } from './io.ts';

type Series = Readonly<Record<string, string>> & { readonly __name__: string };

const loopback = new Loopback();
let folder: string;
/** Each counts 100 requests in the time that is asked for. */
let stored: Series[] = [];

beforeAll(() => loopback.listen());
afterAll(() => loopback.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-'));
  loopback.requests.length = 0;
  loopback.reply((response, { body }) => {
    const result = answer(new URLSearchParams(body).get('query') ?? '');
    respond(200, { status: 'success', data: { resultType: 'vector', result } })(response, {
      method: '',
      path: '',
      headers: {},
      body,
    });
  });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The forms of PromQL that init uses: counts of series, and sums of increases, by labels. */
function answer(query: string): { metric: Record<string, string>; value: [number, string] }[] {
  const most = Number(/^topk\((\d+)/.exec(query)?.[1] ?? Number.POSITIVE_INFINITY);
  const by = /by \(([^)]*)\)/.exec(query)?.[1]?.split(', ');
  const selector = /([a-z_:]*)(\{.*\})(?:\[1[dh]\])?\)*$/.exec(query) ?? /([a-z_:]+)()\)*$/.exec(query) ?? [];
  const matchers = [...(selector[2] ?? '').matchAll(/(\w+)(=~|!=|=)"((?:[^"\\]|\\.)*)"/g)];
  const chosen = stored.filter(
    (series) =>
      (selector[1] === '' || series.__name__ === selector[1]) &&
      matchers.every(([, label = '', operator, text = '']) => {
        const value = (series as Record<string, string>)[label] ?? '';
        const wanted = text.replace(/\\(.)/g, '$1');
        if (operator === '=~') return new RegExp(`^(?:${wanted})$`).test(value);
        return (value === wanted) === (operator === '=');
      }),
  );
  const groups = new Map<string, number>();
  const weight = query.includes('increase') ? 100 : 1;
  for (const series of chosen) {
    const labels: Record<string, string> = series;
    const own = by === undefined && query.includes('count(') ? [] : (by ?? Object.keys(series));
    const key = JSON.stringify(
      Object.fromEntries(own.flatMap((one) => (labels[one] ? [[one, labels[one]]] : []))),
    );
    groups.set(key, (groups.get(key) ?? 0) + weight);
  }
  return [...groups]
    .slice(0, most)
    .map(([key, value]) => ({ metric: JSON.parse(key), value: [0, String(value)] }));
}

async function init(...args: string[]) {
  const env = { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: loopback.url };
  const { io, stdout, stderr } = capture({ env });
  const code = await run(['init', ...args], io);
  return { code, stdout: stdout(), stderr: stderr() };
}

async function registryIn(text: string) {
  const path = join(folder, 'cujs.yaml');
  await writeFile(path, text);
  const loaded = await loadRegistry(path, { backend: 'prometheus' });
  if (!loaded.ok) throw new Error(`${JSON.stringify(loaded.problems)}\n${text}`);
  return loaded.registry;
}

const http = (job: string, route: string, version: string, more: object = {}): Series => ({
  __name__: 'http_server_request_duration_seconds_count',
  job,
  http_request_method: 'GET',
  http_route: route,
  http_response_status_code: '200',
  service_version: version,
  ...more,
});
const own = (labels: object): Series => ({ __name__: 'http_requests_total', job: 'orders', ...labels });

describe('cuj-gate init from Prometheus', () => {
  it('finds services, endpoints and the label of the canary, and says what remains to be checked', async () => {
    stored = [
      http('shop', '/orders/{id}', 'v1', { namespace: 'live' }),
      http('shop', '/orders/{id}', 'v2', { namespace: 'test' }),
      http('eu/pay', '/pay', 'v7'),
      http('eu/pay', '', 'v7'),
      http('Job "x"\n- y: #', '/a', 'v1'),
    ];
    const { code, stdout, stderr } = await init();
    expect(stderr).toMatch(
      /^querying the counters of all services\n\d+ CUJs proposed from \S+: .*\nversions: v.*\n/,
    );
    expect(code).toBe(0);
    const registry = await registryIn(stdout);
    expect([...registry.services.keys()]).toEqual(['shop', 'pay']);
    expect(registry.services.get('shop')?.canary.text).toBe('service_version:{version}');
    expect(registry.cujs.get('orders')?.endpoints).toMatchObject([{ resource: 'GET /orders/{id}' }]);
    expect(stdout).toContain('http: { total: "preset:opentelemetry", bad: "preset:opentelemetry" }');
    expect(stdout).toContain('total: http_server_request_duration_seconds_count{job="eu/{service}"}');
    expect(stdout).toContain('# versions: v1, v2');
    expect(stdout).toContain('# CHECK: shop has requests of several values of namespace (live, test)');
    expect(stdout).toContain(
      '# CHECK: 50% of the requests of pay lack a label of http_request_method/http_route',
    );
    expect(stdout).toContain('#   service Job "x" - y: # (');
  });

  it('finds the labels of a counter that the user names', async () => {
    stored = [
      own({ method: 'POST', route: '/orders', code: '200', release: 'a' }),
      own({ method: 'POST', route: '/orders', code: '503', release: 'b' }),
    ];
    const { stdout } = await init('--counter', 'http_requests_total', '--service', 'orders');
    const registry = await registryIn(stdout);
    expect(registry.services.get('orders')?.canary.text).toBe('release:{version}');
    expect(registry.cujs.get('orders')?.endpoints).toMatchObject([{ resource: 'POST /orders' }]);
    expect(stdout).toContain('bad: http_requests_total{job="{service}",code=~"5.."} # CHECK');
  });

  it('takes a preset where its counter is named', async () => {
    stored = [
      {
        __name__: 'response_total',
        direction: 'inbound',
        app: 'pay',
        classification: 'failure',
        version: 'b',
      },
    ];
    const { stdout } = await init('--counter', 'response_total');
    expect(stdout).toContain('linkerd: { total: "preset:linkerd", bad: "preset:linkerd" }');
    expect([...(await registryIn(stdout)).services.keys()]).toEqual(['pay']);
  });

  it('takes the labels that the user names, and matchers of his own', async () => {
    stored = [own({ zone: 'a', app: 'shop', op: 'Buy', ok: 'no', sha: 'x' })];
    const selector = 'http_requests_total{zone="a",app="{service}"}';
    const args = [
      '--counter',
      selector,
      '--failures',
      'ok="no"',
      '--group-by',
      'op',
      '--canary-label',
      'sha',
    ];
    const { stdout } = await init(...args);
    const registry = await registryIn(stdout);
    expect(registry.services.get('shop')?.canary.text).toBe('sha:{version}');
    expect([...registry.cujs.values()][0]?.endpoints).toMatchObject([{ resource: 'Buy' }]);
    expect(stdout).toContain('# CHECK: x only; it must be another value for each release');
  });

  it('asks for sums by label alone, and bounds each answer', async () => {
    stored = [http('shop', '/a', 'v1')];
    await init();
    for (const { body } of loopback.requests)
      expect(new URLSearchParams(body).get('query')).toMatch(/^(topk\(\d+, .*by|count)/);
  });

  it.each([
    ['nothing at all', [], [], /no series of http_server.*scrapes nothing .*CUJ_GATE_PROMETHEUS_URL/],
    ['targets alone', [{ __name__: 'up' }], [], /It scrapes 1 targets.*--counter/],
    [
      'another counter',
      [own({})],
      [],
      /Name another counter by --counter. There are http_requests_total \(1 series\)/,
    ],
    [
      'another service',
      [http('shop', '/a', 'v1')],
      ['--service', 'shap'],
      /no service shap in the label job.*: shop\./,
    ],
    [
      'no such counter',
      [own({})],
      ['--counter', 'http_total'],
      /no series http_total. .*http_requests_total/,
    ],
    ['no statuses', [own({})], ['--counter', 'http_requests_total'], /--failures.* It has the labels job\./],
    ['no label of the service', [own({})], ['--service-label', 'app'], /no series of http_server/],
    [
      'only names that no registry can have',
      [http('A B', '/a', 'v1')],
      [],
      /Values of job that are none: "A B"/,
    ],
    [
      'only another preset',
      [{ __name__: 'istio_requests_total', reporter: 'source', destination_service_name: 'shop' }],
      ['--counter', 'preset:opentelemetry'],
      /no series http_server\S+ Counters of presets that are there: istio_requests_total \(preset:istio\)\.\n$/,
    ],
    [
      'another label of the version',
      [own({ code: '200', route: '/a', app_version: 'v1' })],
      ['--counter', 'http_requests_total', '--canary-label', 'app_verison'],
      /no series of orders has the label app_verison, which --canary-label names\. Did you mean app_version\? There are/,
    ],
  ])('says what to do where Prometheus has %s', async (_, series, args, message) => {
    stored = series as Series[];
    const { code, stdout, stderr } = await init(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it('keeps the label of the canary that the user names, where one service lacks it', async () => {
    stored = [http('shop', '/a', 'v1', { sha: 'x' }), http('pay', '/a', 'v1')];
    const { stdout } = await init('--canary-label', 'sha');
    expect(stdout).toContain('canary: "sha:{version}" # CHECK: no series has a label of the version (sha)');
    expect((await registryIn(stdout)).services.get('pay')?.canary.text).toBe('sha:{version}');
  });

  it("passes on Prometheus' refusal", async () => {
    loopback.reply(respond(401, { status: 'error', errorType: 'unauthorized', error: 'no' }));
    const { code, stderr } = await init();
    expect(code).toBe(2);
    expect(stderr).toMatch(/Prometheus answered 401.*CUJ_GATE_PROMETHEUS_TOKEN/);
  });

  it('names outcomes that the failures leave out, so that a wrong matcher is seen', async () => {
    stored = [own({ code: '200' }), own({ code: '500' }), own({ code: 'timeout' }), own({ outcome: 'ERR' })];
    const proposed = await init('--counter', 'http_requests_total');
    expect(proposed.stdout).toContain(
      '# CHECK: requests of orders with these values of code are no failures: timeout',
    );
    const few = await init('--counter', 'http_requests_total', '--failures', 'code="503"');
    expect(few.stdout).toContain('with these values of code are no failures: 500, timeout');
    const wrong = await init('--counter', 'http_requests_total', '--failures', 'outcome="ERROR"');
    expect(wrong.stdout).toContain('with these values of outcome are no failures: ERR');
  });

  it('finds labels that the busiest series do not have', async () => {
    const busy = Array.from({ length: 5 }, (_, i) => own({ pod: `${i}` }));
    stored = [...busy, own({ job: 'shop', code: '200', route: '/a', version: 'v1' })];
    const { stdout, stderr } = await init('--counter', 'http_requests_total', '--service', 'shop');
    expect(stderr).toMatch(
      /^querying the counters of shop\n\d+ CUJs? proposed from http_requests_total: .*\n/,
    );
    expect((await registryIn(stdout)).cujs.get('a')?.endpoints).toMatchObject([{ resource: '/a' }]);
  });

  it('finds a service that is not among the busiest ones, and says where there are more', async () => {
    stored = Array.from({ length: 201 }, (_, i) => http(`svc${i}`, '/a', 'v1'));
    const { stdout, stderr } = await init('--service', 'svc200');
    expect(stderr).toBe(
      'querying the counters of svc200\n1 CUJ proposed from http_server_request_duration_seconds_count: a\nversions: v1\n1 comment to CHECK\n',
    );
    expect([...(await registryIn(stdout)).services.keys()]).toEqual(['svc200']);
    expect((await init()).stdout).toContain(
      '# There are more services than were read: name one by --service.',
    );
  });

  it.each([
    [['--operation', 'http.request'], /is for traces in Datadog/],
    [['--counter', 'preset:nginx'], /no preset:nginx. Write --counter preset:opentelemetry, preset:istio/],
    [['--counter', '{x}'], /is no counter/],
    [['--counter', 'a', '--group-by', 'Method'], /names of labels in lower case/],
    [['--failures', 'code=5'], /the bad of the counter cannot be used/],
    [['--canary-label', 'a b'], /the name of a label/],
  ])('refuses %j', async (args, message) => {
    stored = [http('shop', '/a', 'v1')];
    const { code, stderr } = await init(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('proposes a registry from OpenAPI without asking', async () => {
    const path = join(folder, 'openapi.json');
    await writeFile(path, JSON.stringify({ openapi: '3.1.0', paths: { '/Orders/{id}': { post: {} } } }));
    const { stdout } = await init('--service', 'shop', '--openapi', path);
    expect((await registryIn(stdout)).cujs.get('orders')?.endpoints[0]?.resource).toBe('POST /Orders/{id}');
    expect(loopback.requests).toEqual([]);
    const mesh = await init('--service', 'shop', '--openapi', path, '--counter', 'preset:istio');
    expect(mesh.stderr).toContain('istio_requests_total does not tell endpoints apart');
  });
});
