import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { visible } from '../domain/outside-text.ts';
import type { Identification } from '../domain/ports/authenticator.ts';
import { KeysUnavailable } from './jwks.ts';

export interface OidcOptions {
  /** Compared with `iss` as it is, a slash at the end included. */
  readonly issuer: string;
  /** Must be among `aud`. */
  readonly audience: string;
  /** A claim that a token must have, and its value. */
  readonly claim: { readonly name: string; readonly value: string } | undefined;
  /** How far the issuer's clock may be from ours, in ms. */
  readonly clockSkewMs: number;
  readonly keyOf: JWTVerifyGetKey;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Signatures with a public key only: with a shared secret (HS…), or none, whoever verifies could also sign. */
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

/** Verifies access tokens that are JWTs (RFC 9068, or an ID token in its place). */
export function createOidcVerifier(options: OidcOptions): (token: string) => Promise<Identification> {
  const { issuer, audience, claim, clockSkewMs, keyOf, now } = options;
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
      // Whoever would be refused with the keys as well is refused without them.
      if (!isPlausible(token, options)) return refused('The token is not for this gate, or has expired.');
      return {
        outcome: 'unavailable',
        message: "the keys to verify the caller's token with cannot be had",
        hint: 'The next measurement asks again; if this lasts, look at the issuer of the tokens and at the network to it.',
      };
    }
    if (claim !== undefined && !hasClaim(payload, claim)) {
      return refused(`The claim "${claim.name}" of the token is not what the gate asks for.`);
    }
    return { outcome: 'known', caller: `oidc:${subjectOf(payload)}` };
  };
}

function refused(detail: string): Refused {
  return { outcome: 'refused', detail };
}

/** Never the library's own message: it may hold what the token says. */
function detailOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf' && error.reason === 'check_failed') {
      return 'The token is not valid yet (nbf): check the clocks of its issuer and of the gate.';
    }
    return error.reason === 'missing'
      ? `The token has no claim "${error.claim}".`
      : `The claim "${error.claim}" of the token is not what the gate asks for.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `The algorithm of the token's signature is not accepted: only ${acceptedAlgorithms.join(', ')}.`;
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return 'The token is signed with a key that its issuer does not publish.';
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'The token does not name its key (kid), and several of the issuer fit.';
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The signature of the token is wrong.';
  return 'The token cannot be verified.';
}

/** Of an issuer or audience that is not ours: one letter is enough, and the caller is not told which. */
function claimOf(error: unknown, { issuer, audience }: OidcOptions): Refused['claim'] {
  if (!(error instanceof errors.JWTClaimValidationFailed) || error.reason !== 'check_failed')
    return undefined;
  const expected = { iss: issuer, aud: audience }[error.claim];
  if (expected === undefined) return undefined;
  const value = error.payload[error.claim];
  const received = (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
  return { name: error.claim, expected, received: visible(received) };
}

/** What an unverified token says of itself: good only for refusing. */
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
  // RFC 8693, 4.2: a scope is a list with spaces between.
  const values = name === 'scope' && typeof claim === 'string' ? claim.split(' ') : [claim].flat();
  return values.some(
    (one) =>
      (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') && `${one}` === value,
  );
}

/** Client credentials have their client as subject; some issuers name it in a claim of its own only. */
function subjectOf({ sub, client_id, azp }: JWTPayload): string {
  const subject = [sub, client_id, azp].find((text) => typeof text === 'string' && text !== '');
  return visible(((subject as string | undefined) ?? 'without-subject').slice(0, 128));
}
