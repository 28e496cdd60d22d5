import { isTrustworthyUrl } from '../auth/trustworthy-url.ts';

/** The settings of authentication: dependencies between them, and readers of their values. */
export interface AccessSettings {
  /** The file with bearer tokens. */
  readonly tokensFile: string | undefined;
  /** The OpenID providers whose JWTs are accepted; empty: none. */
  readonly issuers: readonly IssuerSettings[];
  readonly authenticateMetrics: boolean;
  /** The port of probes and `/metrics`; undefined: the same as everything else. 0: any free port. */
  readonly adminPort: number | undefined;
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string | undefined }
    | undefined;
  /** Requests per minute of one caller; 0: unlimited. */
  readonly rateLimitPerMinute: number;
}

/** An OpenID provider whose JWTs are accepted, for one audience. */
export interface IssuerSettings {
  /** Before the subject in the names of its callers. */
  readonly caller: 'oidc' | 'browser';
  readonly issuer: string;
  readonly audience: string;
  /** Undefined: discovered from the issuer. */
  readonly jwksUrl: string | undefined;
  readonly claim: ClaimSetting | undefined;
  readonly clockSkewMs: number;
}

export interface ClaimSetting {
  readonly name: string;
  readonly value: string;
}

/** The single settings; undefined where they are not set or invalid. */
export interface GivenAccess {
  readonly tokensFile: string | undefined;
  readonly oidc: GivenIssuer;
  readonly browserOidc: GivenIssuer;
  readonly clockSkewMs: number | undefined;
  readonly authenticateMetrics: boolean | undefined;
  readonly port: number | undefined;
  readonly adminPort: number | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly clientCaFile: string | undefined;
  readonly rateLimitPerMinute: number | undefined;
}

export interface GivenIssuer {
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly claim: ClaimSetting | undefined;
}

const oidc = 'CUJ_GATE_AUTH_OIDC_';
const browserOidc = 'CUJ_GATE_AUTH_BROWSER_OIDC_';

/** Adds a sentence to `problems` for each setting that requires another one. `isGiven`: set, valid or not. */
export function accessOf(
  given: GivenAccess,
  isGiven: (name: string) => boolean,
  problems: string[],
): AccessSettings {
  const needs = (name: string, other: string, why: string) => {
    if (isGiven(name) && !isGiven(other)) problems.push(`${name} is set without ${other}: ${why}.`);
  };
  for (const group of [oidc, browserOidc]) {
    needs(`${group}ISSUER`, `${group}AUDIENCE`, 'tokens for other audiences would be accepted too');
    for (const name of ['AUDIENCE', 'JWKS_URL', 'CLAIM']) {
      needs(`${group}${name}`, `${group}ISSUER`, 'it has no effect without an issuer');
    }
  }
  if (!isGiven(`${browserOidc}ISSUER`)) {
    needs(`${oidc}CLOCK_SKEW`, `${oidc}ISSUER`, 'it has no effect without an issuer');
  }
  if (isGiven(`${browserOidc}ISSUER`) && !isGiven(`${oidc}ISSUER`) && !isGiven('CUJ_GATE_AUTH_TOKENS_FILE')) {
    problems.push(
      `${browserOidc}ISSUER is set without CUJ_GATE_AUTH_TOKENS_FILE or ${oidc}ISSUER: Argo Rollouts would get 401, and rollouts would be aborted. Set one of them; if only people call this gate, name their issuer in ${oidc}*.`,
    );
  }
  if (
    given.oidc.issuer !== undefined &&
    given.oidc.audience !== undefined &&
    given.oidc.issuer === given.browserOidc.issuer &&
    given.oidc.audience === given.browserOidc.audience
  ) {
    problems.push(
      `${browserOidc}ISSUER and ${browserOidc}AUDIENCE are the same as ${oidc}ISSUER and ${oidc}AUDIENCE: register another client for browsers, or remove ${browserOidc}*.`,
    );
  }
  needs('CUJ_GATE_TLS_CERT_FILE', 'CUJ_GATE_TLS_KEY_FILE', 'TLS requires a certificate and its key');
  needs('CUJ_GATE_TLS_KEY_FILE', 'CUJ_GATE_TLS_CERT_FILE', 'TLS requires a certificate and its key');
  needs('CUJ_GATE_TLS_CLIENT_CA_FILE', 'CUJ_GATE_TLS_CERT_FILE', 'client certificates require TLS');
  if (
    given.authenticateMetrics === true &&
    !isGiven('CUJ_GATE_AUTH_TOKENS_FILE') &&
    !isGiven(`${oidc}ISSUER`) &&
    !isGiven(`${browserOidc}ISSUER`)
  ) {
    problems.push(
      `CUJ_GATE_AUTH_METRICS is on, but no tokens are configured: set CUJ_GATE_AUTH_TOKENS_FILE or ${oidc}ISSUER.`,
    );
  }
  if (given.adminPort !== undefined && given.adminPort === given.port && given.port !== 0) {
    problems.push(`CUJ_GATE_ADMIN_PORT=${given.adminPort} is the same as PORT: choose another port.`);
  }
  const { clockSkewMs, certFile, keyFile, clientCaFile } = given;
  const issuers = (['oidc', 'browser'] as const).flatMap((caller): IssuerSettings[] => {
    const { issuer, audience, jwksUrl, claim } = caller === 'oidc' ? given.oidc : given.browserOidc;
    return issuer === undefined
      ? []
      : [
          {
            caller,
            issuer,
            audience: audience as string,
            jwksUrl,
            claim,
            clockSkewMs: clockSkewMs as number,
          },
        ];
  });
  return Object.freeze({
    tokensFile: given.tokensFile,
    issuers,
    authenticateMetrics: given.authenticateMetrics === true,
    adminPort: given.adminPort,
    tls: certFile === undefined ? undefined : { certFile, keyFile: keyFile as string, clientCaFile },
    rateLimitPerMinute: given.rateLimitPerMinute as number,
  });
}

type Read<T> = { readonly value: T } | { readonly wrong: string };

/** A URL of keys. It is not normalised: issuers are compared exactly. */
export function trustworthyUrl(text: string): Read<string> {
  if (!URL.canParse(text)) return { wrong: 'is not a URL such as https://login.example.com' };
  const { username, password, hash } = new URL(text);
  if (username !== '' || password !== '') return { wrong: 'must not contain a user name or password' };
  if (hash !== '') return { wrong: 'must not contain a fragment' };
  return isTrustworthyUrl(text)
    ? { value: text }
    : { wrong: 'is not https: an attacker who can change the response could forge tokens' };
}

export function claim(text: string): Read<ClaimSetting> {
  const at = text.indexOf('=');
  const name = text.slice(0, at).trim();
  const value = text.slice(at + 1).trim();
  return at > 0 && name !== '' && value !== ''
    ? { value: { name, value } }
    : { wrong: 'is not a claim with a value, such as groups=release' };
}

export function yesOrNo(text: string): Read<boolean> {
  if (text === 'true' || text === '1') return { value: true };
  if (text === 'false' || text === '0') return { value: false };
  return { wrong: 'is neither true nor false' };
}
