import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { startGate } from '../auth/gate.ts';
import { Issuer } from '../auth/issuer.ts';
import { Child } from '../e2e/child.ts';
import { answers } from '../e2e/wait.ts';
import { freePort } from '../free-ports.ts';
import { Browser } from './browser.ts';
import { documented, gateSettings, ingressRule, replaced } from './documented.ts';
import { type Ingress, startIngress } from './ingress.ts';
import { PeopleIssuer } from './issuer.ts';

export interface WorldOptions {
  /** Path of the program. */
  readonly oauth2Proxy: string;
  /** Replaced in oauth2-proxy's file after the addresses. */
  readonly proxy?: Record<string, string>;
  /** Settings of the gate that are added or replaced. */
  readonly gate?: Record<string, string>;
  /** The public URL; default: the documented one. */
  readonly publicUrl?: string;
}

export interface World {
  readonly publicUrl: string;
  readonly host: string;
  readonly gate: Awaited<ReturnType<typeof startGate>>;
  readonly argo: Issuer;
  readonly people: PeopleIssuer;
  readonly ingress: Ingress;
  browser(): Browser;
}

/** Gate, real oauth2-proxy, Ingress and two issuers, as docs/browser-access.md configures them; only addresses differ. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const settings = gateSettings();
  const documentedUrl = settings.CUJ_GATE_PUBLIC_URL as string;
  const publicUrl = options.publicUrl ?? documentedUrl;
  const client = {
    id: settings.CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE as string,
    secret: 'a-secret-of-the-client',
    redirectUri: `${publicUrl}/oauth2/callback`,
  };
  const [argo, people, proxyPort] = await Promise.all([
    Issuer.start(Date.now),
    PeopleIssuer.start(client),
    freePort(),
  ]);
  const gate = await startGate({
    ...settings,
    CUJ_GATE_PUBLIC_URL: publicUrl,
    CUJ_GATE_AUTH_OIDC_ISSUER: argo.url,
    CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: people.url,
    ...options.gate,
  });
  await gate.logged('issuer keys fetched', 2);

  const { pathname: below } = new URL(documentedUrl);
  const own = new URL(publicUrl).pathname.replace(/\/$/, '');
  const file = replaced(documented('oauth2-proxy.cfg'), {
    'http_address = "0.0.0.0:4180"': `http_address = "127.0.0.1:${proxyPort}"`,
    'trusted_proxy_ips = ["10.0.0.0/8"]': 'trusted_proxy_ips = ["127.0.0.1/32"]',
    'http://cuj-gate.cuj-gate.svc:8080': gate.url,
    'https://login.example.com': people.url,
    [`${documentedUrl}/`]: `${publicUrl}/`,
    [`proxy_prefix = "${below}/`]: `proxy_prefix = "${own}/`,
    [`cookie_path = "${below}"`]: `cookie_path = "${own === '' ? '/' : own}"`,
  });
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cuj-gate-sign-in-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(folder, { recursive: true });
  const config = path.join(folder, 'oauth2-proxy.cfg');
  writeFileSync(config, replaced(file, options.proxy ?? {}));
  const child = new Child({
    name: 'oauth2-proxy',
    command: options.oauth2Proxy,
    args: ['--config', config],
    // As its Helm chart passes the Secret.
    env: {
      OAUTH2_PROXY_CLIENT_ID: client.id,
      OAUTH2_PROXY_CLIENT_SECRET: client.secret,
      OAUTH2_PROXY_COOKIE_SECRET: Buffer.alloc(32, 7).toString('base64url'),
    },
    logDir: folder,
  }).start();
  onTestFinished(() => child.stop());
  await child.untilReady(() => answers(`http://127.0.0.1:${proxyPort}/ping`));

  const rule = ingressRule();
  const { host } = new URL(publicUrl);
  const ingress = await startIngress(
    { ...rule, host, path: own === '' ? '/' : own },
    { 'oauth2-proxy': proxyPort },
  );
  if (options.publicUrl === undefined && (rule.host !== host || rule.path !== own))
    throw new Error(`the chart's Ingress has ${rule.host}${rule.path}, and the public URL is ${publicUrl}`);
  return { publicUrl, host, gate, argo, people, ingress, browser: () => new Browser(host, ingress) };
}
