import { isTrustworthyUrl } from '../auth/trustworthy-url.ts';

/** The settings about who may ask: what is between single ones, and how those are read that are of no other kind. */
export interface AccessSettings {
  /** The file of bearer tokens. */
  readonly tokensFile: string | undefined;
  /** JWTs of an OpenID provider are taken. */
  readonly oidc:
    | {
        readonly issuer: string;
        readonly audience: string;
        /** Undefined: asked of the issuer. */
        readonly jwksUrl: string | undefined;
        readonly claim: ClaimSetting | undefined;
        readonly clockSkewMs: number;
      }
    | undefined;
  readonly authenticateMetrics: boolean;
  /** Where probes and `/metrics` are; undefined: with everything else. 0: any free port. */
  readonly adminPort: number | undefined;
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string | undefined }
    | undefined;
  /** Requests a minute of one caller; 0: any number. */
  readonly rateLimitPerMinute: number;
}

export interface ClaimSetting {
  readonly name: string;
  readonly value: string;
}

/** The single settings, undefined where they are not given or wrong. */
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

/** Adds a sentence to `problems` for each setting that lacks another one. `isGiven`: given at all, right or wrong. */
export function accessOf(
  given: GivenAccess,
  isGiven: (name: string) => boolean,
  problems: string[],
): AccessSettings {
  const needs = (name: string, other: string, why: string) => {
    if (isGiven(name) && !isGiven(other)) problems.push(`${name} is given without ${other}: ${why}.`);
  };
  const oidc = 'CUJ_GATE_AUTH_OIDC_';
  needs(`${oidc}ISSUER`, `${oidc}AUDIENCE`, 'a token for anybody else would be good here too');
  for (const name of ['AUDIENCE', 'JWKS_URL', 'CLAIM', 'CLOCK_SKEW']) {
    needs(`${oidc}${name}`, `${oidc}ISSUER`, 'no JWT is taken, nor is anything asked of one');
  }
  needs('CUJ_GATE_TLS_CERT_FILE', 'CUJ_GATE_TLS_KEY_FILE', 'TLS takes a certificate and its key');
  needs('CUJ_GATE_TLS_KEY_FILE', 'CUJ_GATE_TLS_CERT_FILE', 'TLS takes a certificate and its key');
  needs('CUJ_GATE_TLS_CLIENT_CA_FILE', 'CUJ_GATE_TLS_CERT_FILE', 'without TLS no caller shows a certificate');
  if (
    given.authenticateMetrics === true &&
    !isGiven('CUJ_GATE_AUTH_TOKENS_FILE') &&
    !isGiven(`${oidc}ISSUER`)
  ) {
    problems.push(
      `CUJ_GATE_AUTH_METRICS is on, but no token is known: give CUJ_GATE_AUTH_TOKENS_FILE or ${oidc}ISSUER.`,
    );
  }
  if (given.adminPort !== undefined && given.adminPort === given.port && given.port !== 0) {
    problems.push(`CUJ_GATE_ADMIN_PORT=${given.adminPort} is PORT as well: choose another one.`);
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

/** A URL that keys are taken from. Kept as written: an issuer is compared letter by letter. */
export function trustworthyUrl(text: string): Read<string> {
  if (!URL.canParse(text)) return { wrong: 'is not a URL such as https://login.example.com' };
  const { username, password, hash } = new URL(text);
  if (username !== '' || password !== '') return { wrong: 'must not hold a user name or password' };
  if (hash !== '') return { wrong: 'must not hold a fragment' };
  return isTrustworthyUrl(text)
    ? { value: text }
    : { wrong: 'is not https: whoever can change what comes from there could make tokens' };
}

export function claim(text: string): Read<ClaimSetting> {
  const at = text.indexOf('=');
  const name = text.slice(0, at).trim();
  const value = text.slice(at + 1).trim();
  return at > 0 && name !== '' && value !== ''
    ? { value: { name, value } }
    : { wrong: 'is not a claim and its value, such as groups=release' };
}

export function yesOrNo(text: string): Read<boolean> {
  if (text === 'true' || text === '1') return { value: true };
  if (text === 'false' || text === '0') return { value: false };
  return { wrong: 'is neither true nor false' };
}
