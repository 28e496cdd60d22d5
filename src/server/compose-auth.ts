import type { Server as HttpsServer } from 'node:https';
import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import { createAuthenticator } from '../auth/authenticator.ts';
import { type CredentialKind, createCredentialMetrics } from '../auth/credential-metrics.ts';
import type { Jwks as JwksOf } from '../auth/jwks.ts';
import { readTls, type TlsCredentials, tlsPaths } from '../auth/tls.ts';
import { readTokens } from '../auth/token-file.ts';
import type { Authenticator, Identification } from '../domain/ports/authenticator.ts';
import { FilesRefused, type FileWatchOptions, watchFiles } from '../files/watched-files.ts';
import type { AppPorts } from '../http/server/ports.ts';
import type { AccessSettings, IssuerSettings } from '../settings/auth-settings.ts';

/** Wires authentication: tokens, the keys of OpenID issuers, TLS. Part of the composition root. */

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
    settings.issuers.length === 0
      ? undefined
      : await openIssuers(settings.issuers, parts, metrics.keysFailed);
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

async function openIssuers(
  issuers: readonly IssuerSettings[],
  { logger, now, deadlineMs, signal }: AccessParts,
  failed: () => void,
): Promise<(token: string) => Promise<Identification>> {
  // Loaded on demand: most gates do not use OIDC.
  const [{ Jwks }, { createOidcVerifier }, { createIssuersVerifier }] = await Promise.all([
    import('../auth/jwks.ts'),
    import('../auth/oidc.ts'),
    import('../auth/issuers.ts'),
  ]);
  /** By where they are from: two audiences of one issuer have the same keys. */
  const keys = new Map<string, JwksOf>();
  const keysOf = (issuer: string, jwksUrl: string | undefined) => {
    const from = JSON.stringify([issuer, jwksUrl]);
    let jwks = keys.get(from);
    if (jwks === undefined) {
      jwks = new Jwks({
        issuer,
        jwksUrl,
        deadlineMs: keysDeadlineMs(deadlineMs),
        now,
        onFetched: (count) => logger.info({ issuer, keys: count }, 'issuer keys fetched'),
        onFailed: (message) => {
          failed();
          logger.error({ issuer, detail: message }, 'issuer keys fetch failed');
        },
      });
      jwks.warm();
      keys.set(from, jwks);
    }
    return jwks;
  };
  const accepted = issuers.map(({ jwksUrl, ...of }) => ({
    issuer: of.issuer,
    audience: of.audience,
    verify: createOidcVerifier({ ...of, now, keyOf: keysOf(of.issuer, jwksUrl).keyOf }),
  }));
  const close = () => {
    for (const jwks of keys.values()) jwks.close();
  };
  signal.addEventListener('abort', close, { once: true });
  return createIssuersVerifier(accepted);
}

function contextOf({ cert, key, ca, minVersion }: TlsCredentials) {
  return { cert, key, minVersion, ...(ca === undefined ? {} : { ca }) };
}
