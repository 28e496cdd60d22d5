import { isTrustworthyUrl } from '../auth/trustworthy-url.ts';

/** The settings of authentication: dependencies between them, and readers of their values. */
export interface AccessSettings {
  /** The file with bearer tokens. */
  readonly tokensFile: string | undefined;
  /** JWTs of an OpenID provider are accepted. */
  readonly oidc:
    | {
        readonly issuer: string;
        readonly audience: string;
        /** Undefined: discovered from the issuer. */
        readonly jwksUrl: string | undefined;
        readonly claim: ClaimSetting | undefined;
        readonly clockSkewMs: number;
      }
    | undefined;
  readonly authenticateMetrics: boolean;
  /** The port of probes and `/metrics`; undefined: the same as everything else. 0: any free port. */
  readonly adminPort: number | undefined;
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string | undefined }
    | undefined;
  /** Requests per minute of one caller; 0: unlimited. */
  readonly rateLimitPerMinute: number;
}

export interface ClaimSetting {
  readonly name: string;
  readonly value: string;
}

/** The single settings; undefined where they are not set or invalid. */
export interface GivenAccess {
  readonly tokensFile: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly claim: ClaimSetting | undefined;
  readonly clockSkewMs: number | undefined;
  readonly authenticateMetrics: boolean | undefined;
  readonly port: number | undefined;
  readonly adminPort: number | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly clientCaFile: string | undefined;
  readonly rateLimitPerMinute: number | undefined;
}

/** Adds a sentence to `problems` for each setting that requires another one. `isGiven`: set, valid or not. */
export function accessOf(
  given: GivenAccess,
  isGiven: (name: string) => boolean,
  problems: string[],
): AccessSettings {
  const needs = (name: string, other: string, why: string) => {
    if (isGiven(name) && !isGiven(other)) problems.push(`${name} is set without ${other}: ${why}.`);
  };
  const oidc = 'CUJ_GATE_AUTH_OIDC_';
  needs(`${oidc}ISSUER`, `${oidc}AUDIENCE`, 'tokens for other audiences would be accepted too');
  for (const name of ['AUDIENCE', 'JWKS_URL', 'CLAIM', 'CLOCK_SKEW']) {
    needs(`${oidc}${name}`, `${oidc}ISSUER`, 'it has no effect without an issuer');
  }
  needs('CUJ_GATE_TLS_CERT_FILE', 'CUJ_GATE_TLS_KEY_FILE', 'TLS requires a certificate and its key');
  needs('CUJ_GATE_TLS_KEY_FILE', 'CUJ_GATE_TLS_CERT_FILE', 'TLS requires a certificate and its key');
  needs('CUJ_GATE_TLS_CLIENT_CA_FILE', 'CUJ_GATE_TLS_CERT_FILE', 'client certificates require TLS');
  if (
    given.authenticateMetrics === true &&
    !isGiven('CUJ_GATE_AUTH_TOKENS_FILE') &&
    !isGiven(`${oidc}ISSUER`)
  ) {
    problems.push(
      `CUJ_GATE_AUTH_METRICS is on, but no tokens are configured: set CUJ_GATE_AUTH_TOKENS_FILE or ${oidc}ISSUER.`,
    );
  }
  if (given.adminPort !== undefined && given.adminPort === given.port && given.port !== 0) {
    problems.push(`CUJ_GATE_ADMIN_PORT=${given.adminPort} is the same as PORT: choose another port.`);
  }
  const { issuer, audience, jwksUrl, claim, clockSkewMs, certFile, keyFile, clientCaFile } = given;
  return Object.freeze({
    tokensFile: given.tokensFile,
    oidc:
      issuer === undefined
        ? undefined
        : { issuer, audience: audience as string, jwksUrl, claim, clockSkewMs: clockSkewMs as number },
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
