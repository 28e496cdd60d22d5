import { type CryptoKey, createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { request } from 'undici';
import { isTrustworthyUrl } from './trustworthy-url.ts';

/** The keys for verification are not available now. The message names the URL and the error. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface JwksOptions {
  readonly issuer: string;
  /** Undefined: discovered at the issuer's /.well-known/openid-configuration. */
  readonly jwksUrl: string | undefined;
  /** For one fetch, discovery included, in ms. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  readonly onFetched?: (keys: number) => void;
  /** Called for every failed fetch, at most once per `failureCooldownMs`. */
  readonly onFailed?: (message: string) => void;
}

/** Older keys are refreshed in the background, so that withdrawn keys are removed. */
export const refreshAfterMs = 10 * 60_000;
/** How long known keys stay valid while fetching fails: longer than an overnight outage, but not indefinitely. */
export const keepForMs = 24 * 60 * 60_000;
/** The least time between fetches for unknown keys, so that forged tokens cause no load on the issuer. */
export const unknownKeyCooldownMs = 30_000;
/** How long after a failed fetch no other fetch is tried. */
export const failureCooldownMs = 5_000;

const maxBytes = 1024 * 1024;

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

/** An issuer's public keys: fetched when first needed, cached, and used further while the issuer is unreachable. */
export class Jwks {
  readonly #options: JwksOptions;
  #keys: LocalKeys | undefined;
  #fetchedAtMs = Number.NEGATIVE_INFINITY;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #failure = '';
  #underWay: Promise<void> | undefined;
  readonly #ended = new AbortController();

  constructor(options: JwksOptions) {
    this.#options = options;
  }

  /**
   * The key that a token names. Throws KeysUnavailable where it is unknown and cannot be fetched, jose's
   * JWKSNoMatchingKey where the issuer has no such key.
   */
  readonly keyOf: JWTVerifyGetKey = async (header, token): Promise<CryptoKey> => {
    const ageMs = this.#options.now() - this.#fetchedAtMs;
    if (this.#keys === undefined || ageMs > keepForMs) await this.#fetchUnlessFailing();
    else if (ageMs > refreshAfterMs) this.warm();
    const keys = this.#keys as LocalKeys;
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (keys === this.#keys) {
        if (this.#options.now() - this.#fetchedAtMs < unknownKeyCooldownMs) throw error;
        await this.#fetchUnlessFailing();
      }
      return await (this.#keys as LocalKeys)(header, token);
    }
  };

  /** Fetches in the background. */
  warm(): void {
    this.#fetchUnlessFailing().catch(() => undefined);
  }

  /** Cancels a pending fetch. */
  close(): void {
    this.#ended.abort();
  }

  async #fetchUnlessFailing(): Promise<void> {
    if (this.#underWay === undefined && this.#options.now() - this.#failedAtMs < failureCooldownMs) {
      throw new KeysUnavailable(this.#failure);
    }
    this.#underWay ??= this.#fetch().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #fetch(): Promise<void> {
    const { now, deadlineMs, onFetched, onFailed } = this.#options;
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      const signal = AbortSignal.any([deadline, this.#ended.signal]);
      const document = (await getJson(await this.#url(signal), signal)) as { keys?: unknown };
      // An empty set would refuse every caller.
      if (!Array.isArray(document.keys) || document.keys.length === 0)
        throw new Error('the response contains no keys');
      this.#keys = createLocalJWKSet(document as Parameters<typeof createLocalJWKSet>[0]);
      this.#fetchedAtMs = now();
      this.#failedAtMs = Number.NEGATIVE_INFINITY;
      onFetched?.(document.keys.length);
    } catch (error) {
      if (this.#ended.signal.aborted) throw new KeysUnavailable('the gate is shutting down');
      const why = deadline.aborted ? `no response within ${deadlineMs} ms` : (error as Error).message;
      this.#failure = `fetching the keys of ${this.#options.issuer} failed: ${why}`;
      this.#failedAtMs = now();
      onFailed?.(this.#failure);
      throw new KeysUnavailable(this.#failure);
    }
  }

  async #url(signal: AbortSignal): Promise<string> {
    const { issuer, jwksUrl } = this.#options;
    if (jwksUrl !== undefined) return jwksUrl;
    // OpenID Connect Discovery 1.0, section 4.1: a trailing slash of the issuer is removed first.
    const at = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const found = (await getJson(at, signal)) as { issuer?: unknown; jwks_uri?: unknown };
    if (found.issuer !== issuer) throw new Error(`${at} describes another issuer`);
    if (typeof found.jwks_uri !== 'string' || !isTrustworthyUrl(found.jwks_uri)) {
      throw new Error(`${at} has no https jwks_uri`);
    }
    return found.jwks_uri;
  }
}

/** Does not follow redirects: only the configured URL is trusted. */
async function getJson(url: string, signal: AbortSignal): Promise<object> {
  const { statusCode, body } = await request(url, {
    signal,
    reset: true,
    headers: { accept: 'application/json' },
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the response of ${url} is larger than 1 MiB`);
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`${url} responded with ${statusCode}`);
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Reported below.
  }
  throw new Error(`the response of ${url} is not a JSON object`);
}
