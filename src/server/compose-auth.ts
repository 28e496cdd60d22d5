import type { Server as HttpsServer } from 'node:https';
import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import { createAuthenticator } from '../auth/authenticator.ts';
import { type CredentialKind, createCredentialMetrics } from '../auth/credential-metrics.ts';
import { readTls, type TlsCredentials, tlsPaths } from '../auth/tls.ts';
import { readTokens } from '../auth/token-file.ts';
import type { Authenticator, Identification } from '../domain/ports/authenticator.ts';
import { FilesRefused, type FileWatchOptions, watchFiles } from '../files/watched-files.ts';
import type { AppPorts } from '../http/server/ports.ts';
import type { AccessSettings } from '../settings/auth-settings.ts';

/** Wires authentication: tokens, an OpenID issuer's keys, TLS. Part of the composition root. */

export interface AccessParts {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  /** For a whole request, in ms. A quarter of it may be spent on fetching keys. */
  readonly deadlineMs: number;
  /** Stops all watchers. */
  readonly signal: AbortSignal;
  /** How often files are polled, in ms. */
  readonly everyMs?: number;
}

export interface Access {
  readonly ports: Pick<
    AppPorts,
    'authenticator' | 'authenticateMetrics' | 'rateLimitPerMinute' | 'tls' | 'operationsApart'
  >;
  /** Connects the server to the watcher: a new certificate is used for all later connections. */
  renewTlsOf(server: HttpsServer): void;
}

/** The most time for fetching keys, however long the deadline is. */
const longestForKeysMs = 2_000;

/** How long a request may wait for an issuer's keys, in ms, given the deadline of the whole request. */
export function keysDeadlineMs(deadlineMs: number): number {
  return Math.min(longestForKeysMs, deadlineMs / 4);
}

/** The credentials are invalid: the gate does not start. */
export class CredentialsRefused extends Error {
  override readonly name = 'CredentialsRefused';
  readonly what: string;
  readonly problems: readonly string[];

  constructor(what: string, problems: readonly string[]) {
    super(`${what}: ${problems.join(' ')}`);
    this.what = what;
    this.problems = problems;
  }
}

/** Throws CredentialsRefused where tokens or certificates are invalid. Does not require that the issuer is reachable. */
export async function openAccess(settings: AccessSettings, parts: AccessParts): Promise<Access> {
  const { logger, now, signal } = parts;
  let tls: TlsCredentials | undefined;
  let server: HttpsServer | undefined;
  const metrics = createCredentialMetrics(parts.metrics, () => tls?.expiresAtMs);

  async function watch<T>(
    credential: CredentialKind,
    what: string,
    options: Pick<FileWatchOptions<T>, 'paths' | 'make'> & { onGood: (made: T) => void },
  ) {
    const watched = watchFiles({
      ...options,
      signal,
      ...(parts.everyMs === undefined ? {} : { intervalMs: parts.everyMs }),
      onGood: (made) => {
        options.onGood(made);
        logger.info({ credential }, 'credentials loaded');
      },
      onBad: (problems) => {
        metrics.refused(credential);
        logger.error({ credential, problems }, 'credentials reload failed; keeping previous version');
      },
    });
    return watched.catch((error: unknown) => {
      throw error instanceof FilesRefused ? new CredentialsRefused(what, error.problems) : error;
    });
  }

  if (settings.tls !== undefined) {
    const paths = settings.tls;
    const watched = await watch('tls', 'The TLS files', {
      paths: tlsPaths(paths),
      make: (contents) => readTls(paths, contents),
      onGood: (credentials) => {
        tls = credentials;
        server?.setSecureContext(contextOf(credentials));
      },
    });
    tls = watched.current();
    if (tls.expiresAtMs <= now()) {
      logger.error(
        { file: paths.certFile, expiredAt: new Date(tls.expiresAtMs).toISOString() },
        'TLS certificate has expired',
      );
    }
  }

  const path = settings.tokensFile;
  const tokens =
    path === undefined
      ? undefined
      : await watch('tokens', 'The tokens', {
          paths: [path],
          make: ([bytes]) => readTokens(path, bytes as Buffer),
          onGood: () => {},
        });
  const oidc =
    settings.oidc === undefined ? undefined : await openOidc(settings.oidc, parts, metrics.keysFailed);
  const authenticator: Authenticator | undefined =
    tokens === undefined && oidc === undefined
      ? undefined
      : createAuthenticator({
          ...(tokens === undefined ? {} : { tokens: tokens.current }),
          ...(oidc === undefined ? {} : { oidc }),
        });
  return {
    ports: {
      ...(authenticator === undefined ? {} : { authenticator }),
      authenticateMetrics: settings.authenticateMetrics,
      rateLimitPerMinute: settings.rateLimitPerMinute,
      ...(tls === undefined ? {} : { tls: contextOf(tls) }),
      operationsApart: settings.adminPort !== undefined,
    },
    renewTlsOf(of) {
      server = of;
      // The files may have changed since the server was made.
      if (tls !== undefined) of.setSecureContext(contextOf(tls));
    },
  };
}

async function openOidc(
  { issuer, audience, jwksUrl, claim, clockSkewMs }: NonNullable<AccessSettings['oidc']>,
  { logger, now, deadlineMs, signal }: AccessParts,
  failed: () => void,
): Promise<(token: string) => Promise<Identification>> {
  // Loaded on demand: most gates do not use OIDC.
  const [{ Jwks }, { createOidcVerifier }] = await Promise.all([
    import('../auth/jwks.ts'),
    import('../auth/oidc.ts'),
  ]);
  const jwks = new Jwks({
    issuer,
    jwksUrl,
    deadlineMs: keysDeadlineMs(deadlineMs),
    now,
    onFetched: (keys) => logger.info({ issuer, keys }, 'issuer keys fetched'),
    onFailed: (message) => {
      failed();
      logger.error({ issuer, detail: message }, 'issuer keys fetch failed');
    },
  });
  signal.addEventListener('abort', () => jwks.close(), { once: true });
  jwks.warm();
  return createOidcVerifier({ issuer, audience, claim, clockSkewMs, now, keyOf: jwks.keyOf });
}

function contextOf({ cert, key, ca, minVersion }: TlsCredentials) {
  return { cert, key, minVersion, ...(ca === undefined ? {} : { ca }) };
}
