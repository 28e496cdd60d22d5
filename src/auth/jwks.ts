import { type CryptoKey, createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { request } from 'undici';
import { isTrustworthyUrl } from './trustworthy-url.ts';

/** The keys to verify with cannot be had now. The message names what was asked and what came of it. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface JwksOptions {
  readonly issuer: string;
  /** Undefined: asked of the issuer, at /.well-known/openid-configuration. */
  readonly jwksUrl: string | undefined;
  /** For one fetch, discovery included, in ms. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  readonly onFetched?: (keys: number) => void;
  /** Called at every fetch that fails, which is at most every `failureCooldownMs`. */
  readonly onFailed?: (message: string) => void;
}

/** Keys older than this are fetched anew beside the request that uses them, so that a key that was withdrawn goes. */
export const refreshAfterMs = 10 * 60_000;
/** Where fetching fails, known keys go on for so long: longer than a night's outage, shorter than a forgotten one. */
export const keepForMs = 24 * 60 * 60_000;
/** A token of an unknown key asks for a fetch at most so often: made-up tokens must not become load on the issuer. */
export const unknownKeyCooldownMs = 30_000;
/** After a fetch that failed nobody waits for another one until then. */
export const failureCooldownMs = 5_000;

const maxBytes = 1024 * 1024;

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

/** An issuer's public keys: fetched when first needed, kept, and kept on while the issuer cannot be reached. */
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
   * The key that a token names. Throws KeysUnavailable where it is not known and cannot be asked for, jose's
   * JWKSNoMatchingKey where the issuer has none of that name.
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

  /** Fetches without anybody waiting. */
  warm(): void {
    this.#fetchUnlessFailing().catch(() => undefined);
  }

  /** Ends a fetch that is under way. */
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
      // A set without a key would turn every caller away.
      if (!Array.isArray(document.keys) || document.keys.length === 0) throw new Error('it answered no keys');
      this.#keys = createLocalJWKSet(document as Parameters<typeof createLocalJWKSet>[0]);
      this.#fetchedAtMs = now();
      this.#failedAtMs = Number.NEGATIVE_INFINITY;
      onFetched?.(document.keys.length);
    } catch (error) {
      if (this.#ended.signal.aborted) throw new KeysUnavailable('the gate is ending');
      const why = deadline.aborted ? `no answer within ${deadlineMs} ms` : (error as Error).message;
      this.#failure = `the keys of ${this.#options.issuer} cannot be fetched: ${why}`;
      this.#failedAtMs = now();
      onFailed?.(this.#failure);
      throw new KeysUnavailable(this.#failure);
    }
  }

  async #url(signal: AbortSignal): Promise<string> {
    const { issuer, jwksUrl } = this.#options;
    if (jwksUrl !== undefined) return jwksUrl;
    // OpenID Connect Discovery 1.0, 4.1: a slash at the issuer's end is dropped first.
    const at = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const found = (await getJson(at, signal)) as { issuer?: unknown; jwks_uri?: unknown };
    if (found.issuer !== issuer) throw new Error(`${at} is about another issuer`);
    if (typeof found.jwks_uri !== 'string' || !isTrustworthyUrl(found.jwks_uri)) {
      throw new Error(`${at} names no https jwks_uri`);
    }
    return found.jwks_uri;
  }
}

/** Redirects are not followed: what is trusted is the URL that was configured. */
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
    if (bytes > maxBytes) throw new Error(`${url} answered more than 1 MiB`);
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below.
  }
  throw new Error(`${url} answered no JSON object`);
}
