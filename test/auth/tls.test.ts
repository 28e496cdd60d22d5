import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { listen, refusal } from '../../src/server/lifecycle.ts';
import { bench } from '../http/fixture.ts';
import { scratchFolder } from '../registry-files/scratch.ts';
import { type Certificate, certificate } from './certificates.ts';
import { ask, question, settingsOf, startGate } from './gate.ts';

let first: Certificate;
let second: Certificate;
beforeAll(async () => {
  first = await certificate('first');
  second = await certificate('second');
});

/** Files of a pair, and the settings that name them. */
function pairIn({ cert, key }: Certificate, more: Record<string, string> = {}) {
  const folder = scratchFolder({ 'tls.crt': cert, 'tls.key': key, ...more });
  const at = (name: string) => join(folder, name);
  return {
    at,
    env: { CUJ_GATE_TLS_CERT_FILE: at('tls.crt'), CUJ_GATE_TLS_KEY_FILE: at('tls.key') },
  };
}

describe('TLS from files', () => {
  it('serves HTTPS, TLS 1.3 where the caller can', async () => {
    const gate = await startGate(pairIn(first).env);
    expect(gate.url).toMatch(/^https:/);
    const answer = await ask(gate.url + question, { ca: first.cert });
    expect(answer).toMatchObject({ status: 200, tls: { protocol: 'TLSv1.3', name: 'first' } });
    expect(JSON.parse(answer.text)).toMatchObject({ verdict: 'pass' });
  });

  it.each([
    ['TLSv1.2', true],
    ['TLSv1.1', false],
    ['TLSv1', false],
  ] as const)('takes %s: %s', async (version, taken) => {
    const gate = await startGate(pairIn(first).env);
    // What OpenSSL's default level forbids a client as well.
    const old = { ca: first.cert, minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' };
    const asked = ask(gate.url + question, old);
    if (taken) expect((await asked).tls?.protocol).toBe(version);
    else await expect(asked).rejects.toThrow(/protocol version|unsupported protocol/i);
  });

  it('shows a new certificate from then on, without a restart and without ending what is connected', async () => {
    const files = pairIn(first);
    const gate = await startGate(files.env);
    const { port } = new URL(gate.url);
    const kept = connectTls({ port: Number(port), host: '127.0.0.1', ca: first.cert });
    await new Promise((resolve) => kept.once('secureConnect', resolve));
    writeFileSync(files.at('tls.crt'), second.cert);
    writeFileSync(files.at('tls.key'), second.key);
    await gate.logged('credentials loaded');
    expect((await ask(gate.url + question, { ca: second.cert })).tls?.name).toBe('second');
    kept.write(`GET ${question} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n`);
    const [chunk] = await new Promise<Buffer[]>((resolve) => kept.once('data', (...data) => resolve(data)));
    expect(chunk?.toString()).toMatch(/^HTTP\/1.1 200/);
  });

  it.each<[string, (files: ReturnType<typeof pairIn>) => void, RegExp]>([
    [
      'a key of another certificate',
      (files) => writeFileSync(files.at('tls.key'), second.key),
      /is not the key of the certificate/,
    ],
    [
      'no certificate',
      (files) => writeFileSync(files.at('tls.crt'), 'nothing'),
      /contains no certificate in PEM/,
    ],
    ['no key', (files) => writeFileSync(files.at('tls.key'), ''), /are invalid .*without a passphrase/],
  ])('keeps the pair that it has where the new one has %s, and says so', async (_, spoil, problem) => {
    const files = pairIn(first);
    const gate = await startGate(files.env);
    spoil(files);
    const refused = await gate.logged('credentials reload failed; keeping previous version');
    expect(refused).toMatchObject({ level: 50, credential: 'tls' });
    expect(JSON.stringify(refused.problems)).toMatch(problem);
    expect(JSON.stringify(refused)).not.toContain('PRIVATE KEY');
    expect((await ask(gate.url + question, { ca: first.cert })).tls?.name).toBe('first');
  });

  it('does not start with a pair that does not belong together, and says which files', async () => {
    const files = pairIn({ cert: first.cert, key: second.key });
    const settings = settingsOf(files.env);
    const error = await listen(settings).catch((reason: unknown) => reason);
    expect(refusal(error, settings)).toEqual([
      'The TLS files are invalid:',
      `  ${files.at('tls.key')} is not the key of the certificate in ${files.at('tls.crt')}: use a matching pair.`,
    ]);
  });

  it('does not start with a key that has a passphrase', async () => {
    const made = await generate([{ name: 'commonName', value: 'x' }], {
      keyType: 'ec',
      passphrase: 'secret',
    });
    const settings = settingsOf(pairIn({ cert: made.cert, key: made.private }).env);
    const error = await listen(settings).catch((reason: unknown) => reason);
    expect(refusal(error, settings)?.join()).toMatch(/without a passphrase/);
  });

  it('says when the certificate ends, in a metric, and at the start if it has ended', async () => {
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 - 60_000);
    const gate = await startGate(pairIn(await certificate('late', { notAfter })).env);
    expect(await gate.logged('TLS certificate has expired')).toMatchObject({
      level: 50,
      expiredAt: notAfter.toISOString(),
    });
    const { text } = await ask(`${gate.url}/metrics`, { rejectUnauthorized: false });
    expect(text).toContain(`cuj_gate_tls_certificate_expiry_timestamp_seconds ${notAfter.getTime() / 1000}`);
  });

  it('shows no end of a certificate where it has none', async () => {
    const gate = await startGate({});
    const { text } = await ask(`${gate.url}/metrics`);
    expect(text).not.toMatch(/^cuj_gate_tls_certificate_expiry_timestamp_seconds /m);
  });

  it('ends a connection that speaks no TLS at once', async () => {
    const gate = await startGate(pairIn(first).env);
    const socket = connect(Number(new URL(gate.url).port), '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: gate\r\n\r\n');
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.resume();
    await ended;
    expect(await gate.logged('caller turned away')).toMatchObject({
      level: 40,
      address: '127.0.0.1',
      code: 'ERR_SSL_HTTP_REQUEST',
      detail: 'The caller sent plain HTTP to an HTTPS port.',
      suppressed: 0,
    });
    // Nothing was answered, so nothing is counted.
    const { text } = await ask(`${gate.url}/metrics`, { ca: first.cert });
    expect(text).not.toMatch(/http_request_duration_seconds_count\{route="none"/);
    expect((await ask(gate.url + question, { ca: first.cert })).status).toBe(200);
  });

  it('says nothing of a connection that is only opened and closed, as probes do', async () => {
    const gate = await startGate(pairIn(first).env);
    const socket = connect(Number(new URL(gate.url).port), '127.0.0.1', () => socket.end());
    socket.resume();
    const quiet = await gate.logged('connection without a handshake');
    expect(quiet).toMatchObject({ level: 20, address: '127.0.0.1', code: 'ECONNRESET' });
    expect(gate.lines.map(({ msg }) => msg)).not.toContain('caller turned away');
  });

  it('says that a caller does not trust its certificate', async () => {
    const gate = await startGate(pairIn(first).env);
    await expect(ask(gate.url + question, { ca: second.cert })).rejects.toThrow();
    expect(await gate.logged('caller turned away')).toMatchObject({
      address: '127.0.0.1',
      detail: expect.stringMatching(/check that it trusts|alert/),
    });
  });

  it('ends a connection whose handshake does not come', async () => {
    const { app } = await bench({ tls: first, arrival: { timeoutMs: 100, checkEveryMs: 50 } });
    onTestFinished(() => app.close());
    await app.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'close');
  });

  it('answers what is no HTTP with a problem document here too', async () => {
    const gate = await startGate(pairIn(first).env);
    const socket = connectTls({ port: Number(new URL(gate.url).port), host: '127.0.0.1', ca: first.cert });
    socket.write('GET /a b HTTP/1.1\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1.1 400/);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({ code: 'malformed_request' });
  });
});

describe('client certificates', () => {
  async function gateWithCa() {
    const ca = await certificate('the-ca');
    const files = pairIn(first, { 'ca.crt': ca.cert });
    const gate = await startGate({
      ...files.env,
      CUJ_GATE_TLS_CLIENT_CA_FILE: files.at('ca.crt'),
      CUJ_GATE_ADMIN_PORT: '0',
    });
    return { ca, gate };
  }

  it('let in who shows one of the CA, and nobody else', async () => {
    const { ca, gate } = await gateWithCa();
    const argo = await certificate('argo-rollouts', { ca });
    const stranger = await certificate('argo-rollouts');
    expect((await ask(gate.url + question, { ca: first.cert, ...argo })).status).toBe(200);
    await expect(ask(gate.url + question, { ca: first.cert, ...stranger })).rejects.toThrow();
    await expect(ask(gate.url + question, { ca: first.cert })).rejects.toThrow();
  });

  it.each<[string, (ca: Certificate) => Promise<object>, string]>([
    ['missing', async () => ({}), 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    ['foreign', () => certificate('argo-rollouts'), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [
      'past',
      (ca) => certificate('argo-rollouts', { ca, notAfter: new Date(Date.now() - 60_000) }),
      'CERT_HAS_EXPIRED',
    ],
  ])('that are %s are told of in the log, once every ten seconds', async (_, shown, code) => {
    const { ca, gate } = await gateWithCa();
    for (const certificates of [await shown(ca), await shown(ca)]) {
      await expect(ask(gate.url + question, { ca: first.cert, ...certificates })).rejects.toThrow();
    }
    const line = await gate.logged('caller turned away');
    expect(line).toMatchObject({ level: 40, address: '127.0.0.1', code, suppressed: 0 });
    expect(line.detail).toMatch(/certificate/);
    expect(gate.lines.filter(({ msg }) => msg === 'caller turned away')).toHaveLength(1);
  });

  it('say who asks, in the line of the verdict', async () => {
    const { ca, gate } = await gateWithCa();
    await ask(gate.url + question, { ca: first.cert, ...(await certificate('argo-rollouts', { ca })) });
    expect(await gate.logged('verdict')).toMatchObject({ caller: 'certificate:argo-rollouts' });
  });

  it('are still asked for after the certificate was renewed', async () => {
    const ca = await certificate('the-ca');
    const files = pairIn(first, { 'ca.crt': ca.cert });
    const gate = await startGate({ ...files.env, CUJ_GATE_TLS_CLIENT_CA_FILE: files.at('ca.crt') });
    writeFileSync(files.at('tls.crt'), second.cert);
    writeFileSync(files.at('tls.key'), second.key);
    await gate.logged('credentials loaded');
    await expect(ask(gate.url + question, { ca: second.cert })).rejects.toThrow();
    const argo = await certificate('argo', { ca });
    expect((await ask(gate.url + question, { ca: second.cert, ...argo })).status).toBe(200);
  });

  it('are not asked for on the port of the probes', async () => {
    const { gate } = await gateWithCa();
    expect(gate.adminUrl).toMatch(/^http:/);
    expect((await ask(`${gate.adminUrl}/readyz`)).status).toBe(200);
  });
});
