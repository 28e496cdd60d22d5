import { decodeJwt, type JWTPayload } from 'jose';
import { visible } from '../domain/outside-text.ts';
import type { Identification } from '../domain/ports/authenticator.ts';

/** Whose tokens are accepted. Two of them may name the same issuer, with different audiences. */
export interface AcceptedIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly verify: (token: string) => Promise<Identification>;
}

/**
 * Has a token verified by the issuer that it names. What an unverified token says only chooses who verifies it: that
 * verifier checks issuer, audience and signature. Precondition: at least one issuer.
 */
export function createIssuersVerifier(
  issuers: readonly AcceptedIssuer[],
): (token: string) => Promise<Identification> {
  const [only, ...more] = issuers;
  if (only !== undefined && more.length === 0) return only.verify;
  return async (token) => {
    let claims: JWTPayload;
    try {
      claims = decodeJwt(token);
    } catch {
      return { outcome: 'refused', detail: 'The token cannot be verified.' };
    }
    const { iss, aud } = claims;
    const ofIssuer = issuers.filter(({ issuer }) => issuer === iss);
    if (ofIssuer.length === 0) return refused('iss', iss, [...new Set(issuers.map(({ issuer }) => issuer))]);
    const audiences = [aud].flat();
    const meant = ofIssuer.filter(({ audience }) => audiences.includes(audience));
    if (meant.length === 0) {
      return refused(
        'aud',
        aud,
        ofIssuer.map(({ audience }) => audience),
      );
    }
    const found: Identification[] = [];
    // More than one only for a token that names several of the audiences. One may then ask for a claim that it has not.
    for (const { verify } of meant) {
      const one = await verify(token);
      if (one.outcome === 'known') return one;
      found.push(one);
    }
    return (found.find(({ outcome }) => outcome === 'unavailable') ?? found[0]) as Identification;
  };
}

function refused(name: 'iss' | 'aud', value: unknown, accepted: readonly string[]): Identification {
  if (value === undefined) return { outcome: 'refused', detail: `The token has no claim "${name}".` };
  const received = (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
  return {
    outcome: 'refused',
    detail: `The claim "${name}" of the token does not have the required value.`,
    claim: { name, expected: accepted.join(' or '), received: visible(received) },
  };
}
