import { EventEmitter, once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keysDeadlineMs } from '../../src/server/compose-auth.ts';
import { listen, refusal } from '../../src/server/lifecycle.ts';
import { scratchFile } from '../registry-files/scratch.ts';
import { ask, question, settingsOf, startGate } from './gate.ts';
import { Issuer, keyPair } from './issuer.ts';

const first = 'Zm9yLXRlc3RzLW9ubHktMDE=';
const second = 'Zm9yLXRlc3RzLW9ubHktMDI=';
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('bearer tokens from a file', () => {
  it('are rotated without a restart', async () => {
    const file = scratchFile(`old: ${first}\n`, 'tokens');
    const gate = await startGate({ CUJ_GATE_AUTH_TOKENS_FILE: file });
    const statuses = async () => [
      (await ask(gate.url + question, bearer(first))).status,
      (await ask(gate.url + question, bearer(second))).status,
      (await ask(gate.url + question)).status,
    ];
    expect(await statuses()).toEqual([200, 401, 401]);
    writeFileSync(file, `old: ${first}\nnew: ${second}\n`);
    await gate.logged('credentials loaded');
    expect(await statuses()).toEqual([200, 200, 401]);
    writeFileSync(file, `new: ${second}\n`);
    await gate.logged('credentials loaded', 2);
    expect(await statuses()).toEqual([401, 200, 401]);
    expect(gate.lines.filter((line) => line.msg === 'verdict').map((line) => line.caller)).toEqual([
      'token:old',
      'token:old',
      'token:new',
      'token:new',
    ]);
    expect(JSON.stringify(gate.lines)).not.toMatch(/Zm9yLXRl/);
  });

  it.each<[string, (file: string) => void, string]>([
    ['is gone', (file) => rmSync(file), 'cannot be read (ENOENT)'],
    ['is empty', (file) => writeFileSync(file, ''), 'contains no token'],
    ['holds comments only', (file) => writeFileSync(file, `# argo: ${second}\n`), 'contains no token'],
    [
      'has one bad line',
      (file) => writeFileSync(file, `new: ${second}\nbad: x\n`),
      ':2: the token has fewer than',
    ],
  ])('stay what they were where the file %s: the gate never opens', async (_, spoil, problem) => {
    const file = scratchFile(`argo: ${first}\n`, 'tokens');
    const gate = await startGate({ CUJ_GATE_AUTH_TOKENS_FILE: file });
    spoil(file);
    const refused = await gate.logged('credentials reload failed; keeping previous version');
    expect(refused).toMatchObject({ level: 50, credential: 'tokens' });
    expect(JSON.stringify(refused.problems)).toContain(problem);
    expect((await ask(gate.url + question, bearer(first))).status).toBe(200);
    expect((await ask(gate.url + question, bearer(second))).status).toBe(401);
    expect((await ask(gate.url + question)).status).toBe(401);
    const { text } = await ask(`${gate.url}/metrics`);
    expect(text).toContain('cuj_gate_credential_reload_errors_total{credential="tokens"} 1');
  });

  it('that are bad at the start end the start, with the file and the line', async () => {
    const file = scratchFile('argo: short\n', 'tokens');
    const settings = settingsOf({ CUJ_GATE_AUTH_TOKENS_FILE: file });
    const error = await listen(settings).catch((reason: unknown) => reason);
    expect(refusal(error, settings)).toEqual([
      'The tokens are invalid:',
      expect.stringContaining(`${file}:1: the token has fewer than 16 characters`),
    ]);
  });
});

describe('JWTs of an issuer', () => {
  const now = Date.now;

  it('are taken beside the tokens of the file', async () => {
    const issuer = await Issuer.start(now);
    const gate = await startGate({
      CUJ_GATE_AUTH_TOKENS_FILE: scratchFile(`argo: ${first}\n`, 'tokens'),
      CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
    });
    await gate.logged('issuer keys fetched');
    expect((await ask(gate.url + question, bearer(await issuer.token()))).status).toBe(200);
    expect(await gate.logged('verdict')).toMatchObject({ caller: 'oidc:argo-rollouts' });
    expect((await ask(gate.url + question, bearer(first))).status).toBe(200);
    expect((await ask(gate.url + question, bearer(await issuer.token({ aud: 'x' })))).status).toBe(401);
    expect(
      (await ask(gate.url + question, bearer(await issuer.token({}, await keyPair('first'))))).status,
    ).toBe(401);
  });

  it('must have the claim that is asked for', async () => {
    const issuer = await Issuer.start(now);
    const gate = await startGate({
      CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
      CUJ_GATE_AUTH_OIDC_JWKS_URL: `${issuer.url}/keys`,
      CUJ_GATE_AUTH_OIDC_CLAIM: 'groups=release',
    });
    expect((await ask(gate.url + question, bearer(await issuer.token({ groups: ['release'] })))).status).toBe(
      200,
    );
    expect((await ask(gate.url + question, bearer(await issuer.token()))).status).toBe(401);
  });

  it('of an issuer that hangs hold no end of the gate up, nor are they complained of then', async () => {
    const issuer = await Issuer.start(now);
    const news = new EventEmitter();
    const asked = once(news, 'asked');
    const cut = once(news, 'cut');
    issuer.loopback.reply((response) => {
      response.once('close', () => news.emit('cut'));
      news.emit('asked');
    });
    const gate = await startGate({
      CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
    });
    await asked;
    await gate.close();
    await cut;
    expect(gate.lines.map((line) => line.msg)).not.toContain('issuer keys fetch failed');
  });

  it.each([
    [4_000, 1_000],
    [8_000, 2_000],
    [9_999, 2_000],
  ])('of a question with a deadline of %d ms are waited for %d ms at most', (deadlineMs, waitMs) => {
    expect(keysDeadlineMs(deadlineMs)).toBe(waitMs);
  });

  it('of an issuer that hangs are waited for a quarter of the deadline, and no rollout is aborted', async () => {
    const issuer = await Issuer.start(now);
    issuer.loopback.reply(() => {});
    const gate = await startGate({
      CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
      CUJ_GATE_DEADLINE: '2s',
    });
    const answer = await ask(gate.url + question, bearer(await issuer.token()));
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ verdict: 'inconclusive', reason: 'auth_unavailable' });
    expect(await gate.logged('issuer keys fetch failed')).toMatchObject({
      detail: expect.stringMatching(/no response within 500 ms$/),
    });
  });

  it('of an issuer that is down at the start do not keep the gate from starting, nor abort a rollout', async () => {
    const issuer = await Issuer.start(now);
    issuer.broken = 503;
    const gate = await startGate({
      CUJ_GATE_AUTH_OIDC_ISSUER: issuer.url,
      CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
    });
    expect(await gate.logged('issuer keys fetch failed')).toMatchObject({ level: 50 });
    const answer = await ask(gate.url + question, bearer(await issuer.token()));
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ verdict: 'inconclusive', reason: 'auth_unavailable' });
    const { text } = await ask(`${gate.url}/metrics`);
    expect(text).toContain('cuj_gate_jwks_fetch_errors_total 1');
  });
});
