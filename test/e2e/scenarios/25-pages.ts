import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { everyBackend } from '../metrics-backend.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { noCache, startWorld } from '../world.ts';

/** The canary of the second service has a fixed selector, so its templates send no parameter. */
const registryText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
  matching-api: { env: production, operation: express.request, canary: "role:canary" }
cujs:
  - { name: signup, owner: team-identity, service: member-api, endpoints: [POST /api/v1/signup] }
  - { name: like, owner: team-matching, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
`;

const browserAccept = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

/** A proxy that makes a browser's request of every request. */
async function startRewritingProxy(target: string, onEnd: (cleanup: () => unknown) => void) {
  const types: (string | undefined)[] = [];
  const server = createServer((asked, answer) => {
    const headers = { ...asked.headers, accept: browserAccept };
    const sent = send(new URL(asked.url ?? '/', target), { method: asked.method, headers }, (got) => {
      types.push(got.headers['content-type']);
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    sent.on('error', () => answer.destroy());
    sent.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, types };
}

export const scenario: Scenario = {
  name: 'pages',
  what: 'a proxy that asks for pages between Argo and the gate: a broken canary is aborted, and nothing passes by a page',
  backends: everyBackend,
  async run(context) {
    const { kube, dir, onEnd } = context;
    const registry = path.join(dir, 'cujs.yaml');
    writeFileSync(registry, registryText);
    const world = await startWorld(context, { registry, env: noCache });
    const proxy = await startRewritingProxy(world.gate.url, onEnd);
    const flags = ['--gate-url', proxy.url];
    const [broken, fixed] = await Promise.all([
      world.deploy('member-api', { flags, pause: '5m' }),
      world.deploy('matching-api', { flags, pause: '5m' }),
    ]);
    // A browser at the same address gets a page.
    const page = await fetch(`${proxy.url}/cujs/like/status`);
    assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
    const before = proxy.types.length;

    await Promise.all([broken.start('v1.1.0'), fixed.start('v1.1.0')]);
    const signup = 'POST /api/v1/signup';
    world.canary(broken, { failing: { [signup]: 0.5 } });
    const message = await broken.untilAborted();
    assert.match(message, /Metric "cuj-signup" assessed Failed due to failed \(1\) > failureLimit \(0\)/);

    const run = await latestRun(kube, fixed, 'Background');
    assert.ok(run, 'the fixed canary must have a run');
    const values = measurementValues(run);
    assert.ok(values.length > 0, 'the fixed canary must be measured');
    for (const { phase, value } of values) {
      assert.equal(phase, 'Inconclusive');
      assert.match(value, /^"INCONCLUSIVE like \(no_data\)/);
    }
    for (const type of proxy.types.slice(before)) assert.equal(type, 'application/json; charset=utf-8');
  },
};
