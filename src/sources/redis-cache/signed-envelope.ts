import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';

/**
 * Values as they lie in a store that others can write to: 8 bytes that say what it is, 32 bytes of HMAC-SHA256 over the
 * value's name and content, then `{at, value}` as JSON, deflated. Nothing is read of a value before its HMAC is right.
 */

/** Raised whenever the content of a value is written or meant differently: replicas of two formats share nothing. */
const format = 'cujgate6';
const macBytes = 32;
const headBytes = format.length + macBytes;
/** Ours are some hundred kilobytes at most; this is what a mistake of ours may take of memory. */
const maxContentBytes = 64 * 1024 * 1024;
/** How far the clocks of two replicas may be apart: their questions differ by more than that already. */
const clockSkewMs = 60_000;

const deflated = promisify(deflateRaw);
const inflated = promisify(inflateRaw);

export interface Seal {
  /** Common to those who share: they have the same key, and ask the same backend. Not secret. */
  readonly namespace: string;
  /** `atMs`: epoch ms. */
  close(name: string, value: unknown, atMs: number): Promise<Buffer>;
  /** Undefined where it is not what was closed under this name within the last `ttlMs`. */
  open(name: string, bytes: Buffer, nowMs: number, ttlMs: number): Promise<unknown>;
}

/**
 * The seal of all gates that hold this secret and ask this origin. The secret cannot be had from what it makes. Throws
 * TypeError where it is empty: anybody could forge an entry then.
 */
export function createSeal(secret: string, origin: string): Seal {
  if (!secret) throw new TypeError('the secret of the shared cache is empty');
  const derived = Buffer.from(
    hkdfSync('sha256', secret, 'cuj-gate shared cache', `${format} ${origin}`, macBytes + 12),
  );
  const key = derived.subarray(0, macBytes);
  const macOf = (name: string, content: Buffer) =>
    createHmac('sha256', key).update(`${format}\n${name}\n`).update(content).digest();
  return {
    namespace: derived.subarray(macBytes).toString('base64url'),
    async close(name, value, atMs) {
      const content = await deflated(JSON.stringify({ at: atMs, value }), { level: 1 });
      return Buffer.concat([Buffer.from(format, 'latin1'), macOf(name, content), content]);
    },
    async open(name, bytes, nowMs, ttlMs) {
      if (bytes.length <= headBytes || bytes.toString('latin1', 0, format.length) !== format)
        return undefined;
      const content = bytes.subarray(headBytes);
      if (!timingSafeEqual(bytes.subarray(format.length, headBytes), macOf(name, content))) return undefined;
      try {
        const text = await inflated(content, { maxOutputLength: maxContentBytes });
        const { at, value } = JSON.parse(text.toString('utf8')) as { at: number; value: unknown };
        // Somebody may have kept a value of ours and put it back.
        return Math.abs(nowMs - at) <= ttlMs + clockSkewMs ? value : undefined;
      } catch {
        return undefined;
      }
    },
  };
}
