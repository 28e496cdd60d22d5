import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { guideRegistry } from '../guide-files.ts';
import { kinds } from '../kube.ts';
import { everyBackend } from '../metrics-backend.ts';
import type { Release } from '../release.ts';
import { latestRun, measurementValues } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { startTokenIssuer } from '../token-issuer.ts';
import { startWorld } from '../world.ts';

/** In the folder of the guide's registry. */
const othersText = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  matching-api: { env: production, operation: express.request, canary: "version:{version}" }
  payment-api: { env: production, operation: servlet.request, canary: "version:{version}" }
cujs:
  - { name: like, owner: team-matching, service: matching-api, endpoints: ["POST /api/v1/users/:user_id/likes"] }
  - { name: plans, owner: team-payment, service: payment-api, endpoints: [GET /api/v1/plans] }
`;

export const scenario: Scenario = {
  name: 'authentication',
  what: 'a gate that asks for a token: refused without one, accepted with one from a Secret, and with OAuth2 client credentials',
  backends: everyBackend,
  async run(context) {
    const { kube, namespace, dir } = context;
    const registry = path.join(dir, 'registry');
    mkdirSync(registry);
    copyFileSync(guideRegistry, path.join(registry, 'cujs.yaml'));
    writeFileSync(path.join(registry, 'others.yaml'), othersText);
    const token = randomBytes(24).toString('base64url');
    const tokensFile = path.join(dir, 'tokens');
    writeFileSync(tokensFile, `argo-rollouts: ${token}\n`, { mode: 0o600 });
    const client = { id: 'argo', secret: randomBytes(24).toString('base64url'), audience: 'cuj-gate' };
    const issuer = await startTokenIssuer(context, client);
    await kube.apply([
      {
        ...kinds.Secret,
        metadata: { name: 'cuj-gate-token', namespace },
        stringData: { token },
      },
      {
        ...kinds.Secret,
        metadata: { name: 'cuj-gate-oauth2', namespace },
        stringData: { 'client-id': client.id, 'client-secret': client.secret },
      },
    ]);

    const world = await startWorld(context, {
      registry,
      env: {
        CUJ_GATE_AUTH_TOKENS_FILE: tokensFile,
        CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
        CUJ_GATE_AUTH_OIDC_AUDIENCE: client.audience,
      },
    });
    const oauth2 = [
      ...['--oauth2-token-url', issuer.tokenUrl, '--oauth2-secret', 'cuj-gate-oauth2'],
      ...['--oauth2-scope', 'cujs:read'],
    ];
    const [without, withToken, withOauth2] = await Promise.all([
      world.deploy('matching-api', { flags: ['--watch-errors', '1'], pause: '5m' }),
      world.deploy('member-api', {
        flags: ['--auth-secret', 'cuj-gate-token/token'],
        guide: ['with-token', 'generated/rollouts', 'generated/virtual-services'],
      }),
      world.deploy('payment-api', { flags: oauth2, stable: { appRequestsPerMinute: 150_000 } }),
    ]);
    const start = async (release: Release, appRequestsPerMinute: number) => {
      await release.start('v1.1.0');
      world.canary(release, { appRequestsPerMinute });
    };
    await Promise.all([start(without, 5_000), start(withToken, 5_000), start(withOauth2, 50_000)]);

    const [message, ...accepted] = await Promise.all([
      without.untilAborted(),
      withToken.untilPromoted(),
      withOauth2.untilPromoted(),
    ]);
    assert.match(message, /consecutiveErrors \(2\) > consecutiveErrorLimit \(1\)/);
    const refused = await latestRun(kube, without, 'Background');
    assert.equal(refused?.status.phase, 'Error');
    for (const one of measurementValues(refused)) {
      assert.equal(one.message, 'received non 2xx response code: 401');
    }
    for (const run of accepted.flat()) {
      assert.equal(run.status.phase, 'Successful');
      for (const { value } of measurementValues(run))
        assert.match(value, /^"PASS (signup|plans) \(within_slo\)/);
      assert.ok(
        !JSON.stringify(run.status).includes(token),
        'the token must not be in what everybody can read',
      );
    }
    assert.ok(issuer.granted.length > 0, 'the token endpoint must have been asked');
    for (const grant of issuer.granted) assert.deepEqual(grant, { clientId: client.id, scope: 'cujs:read' });

    const [turnedAway] = world.gate.log().filter(({ msg }) => msg === 'caller turned away');
    assert.equal(turnedAway?.code, 'unauthorized');
    const text = JSON.stringify(world.gate.log());
    for (const secret of [token, client.secret]) assert.ok(!text.includes(secret), 'no secret may be logged');
  },
};
