import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { loadRegistry } from '../../../src/registry-files/load.ts';
import { sloEvents } from '../../../src/sources/datadog/query/slo-queries.ts';
import { registryFixtures } from '../../cue/registry-fixtures.ts';
import { runProgram } from '../run-program.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';

const root = path.join(import.meta.dirname, '../../..');
const schema = path.join(root, 'config', 'schema.cue');
export const scenario: Scenario = {
  name: 'cue',
  what: "the real cue holds config/schema.cue against every fixture of the JSON Schema, and docs/cue's package against the gate",
  backends: [],
  async run(context) {
    await judgesFixtures(context);
    await fillsDefaults(context);
    await readsRegistry(context);
    await dumpsPackage(context);
  },
};

async function judgesFixtures({ programs, dir, log }: ScenarioContext): Promise<void> {
  const wrong: string[] = [];
  for (const { what, accepted, registry } of registryFixtures()) {
    const file = path.join(dir, 'fixture.json');
    await writeFile(file, JSON.stringify(registry));
    const refusal = await runProgram(programs.cue.program, ['vet', '-d', '#Registry', schema, file]).then(
      () => undefined,
      (error: { stderr: string }) => error.stderr,
    );
    if ((refusal === undefined) !== accepted)
      wrong.push(`${what}: cue ${refusal === undefined ? 'accepts it' : `refuses it: ${refusal}`}`);
  }
  assert.deepEqual(wrong, [], 'the CUE schema and the JSON Schema must agree');
  log(`${registryFixtures().length} fixtures`);
}

/** The values that CUE fills in must be the gate's own defaults. */
async function fillsDefaults({ programs, dir }: ScenarioContext): Promise<void> {
  const plain = path.join(dir, 'plain.json');
  const document = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9 }, gate: {} },
    services: { shop: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
    cujs: [{ name: 'buy', owner: 'team-shop', service: 'shop', endpoints: ['POST /buy'] }],
  };
  await writeFile(plain, JSON.stringify(document));
  const source = path.join(dir, 'filled.cue');
  await writeFile(source, `package cujgate\nfilled: #Registry & ${JSON.stringify(document)}\n`);
  const { stdout } = await runProgram(programs.cue.program, [
    'export',
    '-e',
    'filled',
    '--out',
    'json',
    schema,
    source,
  ]);
  const filled = path.join(dir, 'filled.json');
  await writeFile(filled, stdout);
  assert.equal(JSON.parse(stdout).defaults.gate.rule, 'confidence', 'CUE must write the defaults out');
  assert.equal(JSON.parse(stdout).services.shop.sampleRate, 1);
  assert.deepEqual(await modelOf(filled), await modelOf(plain));
}

async function readsRegistry({ programs, dir }: ScenarioContext): Promise<void> {
  const module = path.join(dir, 'module');
  await mkdir(path.join(module, 'cue.mod'), { recursive: true });
  await mkdir(path.join(module, 'schema'));
  await cp(path.join(root, 'docs/cue/cue.mod/module.cue'), path.join(module, 'cue.mod/module.cue'));
  await cp(schema, path.join(module, 'schema/schema.cue'));
  const file = path.join(module, 'cujs.cue');
  const text = `package registry

import "example.com/delivery/schema:cujgate"

cujgate.#Registry & {
	apiVersion: "cuj-gate/v1"
	services: shop: {env: "production", operation: "http.request", canary: "version:{version}"}
	cujs: [{name: "buy", owner: "team-shop", service: "shop", slo: availability: 99.9, endpoints: ["POST /buy"]}]
}
`;
  await writeFile(file, text);
  await withPath(path.dirname(programs.cue.program), async () => {
    assert.equal((await modelOf(file)).cujs.get('buy')?.owner, 'team-shop');
    await writeFile(file, text.replace('owner:', 'owners: "x", owner:'));
    const result = await loadRegistry(file);
    assert.ok(!result.ok);
    assert.match(result.problems[0]?.message ?? '', /owners: field not allowed/);
    assert.equal(result.problems[0]?.line, 8);
  });
}

async function dumpsPackage({ programs, kube, namespace, dir }: ScenarioContext): Promise<void> {
  const folder = path.join(dir, 'package');
  await cp(path.join(root, 'docs/cue'), folder, { recursive: true });
  await cp(schema, path.join(folder, 'schema.cue'));
  await runProgram(programs.cue.program, ['cmd', 'dump'], { cwd: folder });
  const out = (name: string) => path.join(folder, 'out', name);

  const registry = await loaded(out('cujs.json'));
  assert.deepEqual([...registry.cujs.keys()], ['signup', 'login']);

  const slos = JSON.parse(await readFile(out('cujs.tf.json'), 'utf8')).resource
    .datadog_service_level_objective;
  for (const cuj of registry.cujs.values()) {
    const { queries } = slos[`${cuj.name}-availability`].sli_specification.count;
    const asked = queries.map((query: { metric_query: { query: string } }) => query.metric_query.query);
    const own = sloEvents(registry, cuj, 'availability')?.queries.map(({ query }) => query);
    assert.deepEqual(asked, own, `CUE's queries of ${cuj.name} must be the gate's`);
  }
  await kube.apply(await readFile(out('kubernetes.yaml'), 'utf8'), { namespace, dryRun: true });
}

async function loaded(file: string): Promise<Registry> {
  const result = await loadRegistry(file);
  assert.ok(result.ok, JSON.stringify(result));
  return result.registry;
}

/** The registry without the digest of its bytes. */
async function modelOf(file: string) {
  const { digest: _, ...model } = await loaded(file);
  return model;
}

async function withPath(folder: string, task: () => Promise<void>): Promise<void> {
  const before = process.env.PATH;
  process.env.PATH = `${folder}${path.delimiter}${before}`;
  try {
    await task();
  } finally {
    process.env.PATH = before;
  }
}
