import type { Authenticator, Identification } from '../domain/ports/authenticator.ts';
import type { TokenSet } from './token-file.ts';

export interface AuthenticatorParts {
  /** The current tokens. */
  readonly tokens?: () => TokenSet;
  readonly oidc?: (token: string) => Promise<Identification>;
}

/** A JWT in its compact form: three parts, of which the first is a JSON object in base64url. */
const jwtText = /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

/** Bearer tokens of the file, then JWTs of an issuer; callers are `token:<label>`, `oidc:<subject>` and `browser:<subject>`. */
export function createAuthenticator({ tokens, oidc }: AuthenticatorParts): Authenticator {
  return {
    identify(token) {
      const label = tokens?.().labelOf(token);
      if (label !== undefined) return { outcome: 'known', caller: `token:${label}` };
      if (oidc !== undefined && jwtText.test(token)) return oidc(token);
      return { outcome: 'refused', detail: 'The token is unknown.' };
    },
  };
}
