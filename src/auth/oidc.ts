import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { visible } from '../domain/outside-text.ts';
import type { Identification } from '../domain/ports/authenticator.ts';
import { KeysUnavailable } from './jwks.ts';

export interface OidcOptions {
  /** Before the subject in the caller's name, so that subjects of two issuers are never the same caller. */
  readonly caller: string;
  /** Compared with `iss` exactly, including a trailing slash. */
  readonly issuer: string;
  /** Must be among `aud`. */
  readonly audience: string;
  /** A claim that a token must have, and its value. */
  readonly claim: { readonly name: string; readonly value: string } | undefined;
  /** The accepted difference between the issuer's clock and the gate's, in ms. */
  readonly clockSkewMs: number;
  readonly keyOf: JWTVerifyGetKey;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Signatures with public keys only. With a shared secret (HS…) every verifier could also sign. */
export const acceptedAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

type Refused = Identification & { readonly outcome: 'refused' };

/** Verifies access tokens that are JWTs (RFC 9068, or ID tokens). */
export function createOidcVerifier(options: OidcOptions): (token: string) => Promise<Identification> {
  const { caller, issuer, audience, claim, clockSkewMs, keyOf, now } = options;
  return async (token) => {
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, keyOf, {
        issuer,
        audience,
        algorithms: acceptedAlgorithms,
        clockTolerance: clockSkewMs / 1000,
        requiredClaims: ['exp'],
        currentDate: new Date(now()),
      }));
    } catch (error) {
      if (!(error instanceof KeysUnavailable)) {
        const claim = claimOf(error, options);
        return { ...refused(detailOf(error)), ...(claim === undefined ? {} : { claim }) };
      }
      // Tokens that are invalid regardless of their signature are refused without the keys.
      if (!isPlausible(token, options)) return refused('The token is not for this gate, or it has expired.');
      return {
        outcome: 'unavailable',
        message: "the keys to verify the caller's token are not available",
        hint: 'The next measurement tries again. If this persists, check the issuer of the tokens and the network to it.',
      };
    }
    if (claim !== undefined && !hasClaim(payload, claim)) {
      return refused(`The claim "${claim.name}" of the token does not have the required value.`);
    }
    return { outcome: 'known', caller: `${caller}:${subjectOf(payload)}` };
  };
}

function refused(detail: string): Refused {
  return { outcome: 'refused', detail };
}

/** Never the library's own message: it may contain parts of the token. */
function detailOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf' && error.reason === 'check_failed') {
      return 'The token is not valid yet (nbf): check the clocks of its issuer and of the gate.';
    }
    return error.reason === 'missing'
      ? `The token has no claim "${error.claim}".`
      : `The claim "${error.claim}" of the token does not have the required value.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `The algorithm of the token's signature is not accepted: only ${acceptedAlgorithms.join(', ')}.`;
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return 'The token is signed with a key that its issuer does not publish.';
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'The token has no key ID (kid), and several keys of the issuer match.';
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The signature of the token is invalid.';
  return 'The token cannot be verified.';
}

/** The issuer or audience that does not match, for the log: the difference may be one letter. Callers are not told. */
function claimOf(error: unknown, { issuer, audience }: OidcOptions): Refused['claim'] {
  if (!(error instanceof errors.JWTClaimValidationFailed) || error.reason !== 'check_failed')
    return undefined;
  const expected = { iss: issuer, aud: audience }[error.claim];
  if (expected === undefined) return undefined;
  const value = error.payload[error.claim];
  const received = (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
  return { name: error.claim, expected, received: visible(received) };
}

/** The claims of an unverified token. They may only be used to refuse it. */
function isPlausible(token: string, { issuer, audience, clockSkewMs, now }: OidcOptions): boolean {
  try {
    const { iss, aud, exp } = decodeJwt(token);
    const audiences = Array.isArray(aud) ? aud : [aud];
    return (
      iss === issuer &&
      audiences.includes(audience) &&
      typeof exp === 'number' &&
      exp * 1000 > now() - clockSkewMs
    );
  } catch {
    return false;
  }
}

function hasClaim(payload: JWTPayload, { name, value }: { name: string; value: string }): boolean {
  const claim = payload[name];
  // RFC 8693, section 4.2: a scope is a list separated by spaces.
  const values = name === 'scope' && typeof claim === 'string' ? claim.split(' ') : [claim].flat();
  return values.some(
    (one) =>
      (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') && `${one}` === value,
  );
}

/** With client credentials the subject is the client. Some issuers put it only into a claim of its own. */
function subjectOf({ sub, client_id, azp }: JWTPayload): string {
  const subject = [sub, client_id, azp].find((text) => typeof text === 'string' && text !== '');
  return visible(((subject as string | undefined) ?? 'without-subject').slice(0, 128));
}
