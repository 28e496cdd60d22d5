import { SourceError } from '../../domain/errors.ts';
import type { Seal } from './signed-envelope.ts';
import type { SharedStore } from './store-port.ts';

/** The longest period of a backend. */
const maxLimitMs = 3_600_000;

export interface SharedLimitOptions {
  /** The backend's name, in messages. */
  readonly backend: string;
  readonly store: SharedStore;
  readonly seal: Seal;
  /** Epoch ms. */
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly ignored: () => void;
  readonly onHeldOff: (seconds: number) => void;
}

/**
 * The reset of a backend's rate limit, which is the organisation's: what one replica is told holds for all. Shared is the
 * time that is left, which the store counts down: no replica's clock is compared with another's.
 */
export class SharedLimit {
  readonly #options: SharedLimitOptions;
  readonly #name: string;
  /** Monotonic ms of the latest reset that is known. */
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(options: SharedLimitOptions) {
    this.#options = options;
    this.#name = `${options.seal.namespace}:limit`;
  }

  /** Lets the other replicas know of a 429, `seconds` before its reset. Rejects as the store does. */
  async publish(seconds: number): Promise<void> {
    const { now, monotonic, seal, store } = this.#options;
    const untilMs = monotonic() + seconds * 1000;
    // Every call that was under way comes back with one.
    if (untilMs <= this.#untilMs + 1_000) return;
    this.#untilMs = untilMs;
    const forMs = seconds * 1000;
    await store.set(this.#name, await seal.close(this.#name, { forMs }, now()), forMs);
  }

  /** Learns what the others know. Rejects as the store does. */
  async learn(): Promise<void> {
    const { store, seal, now, monotonic, ignored, onHeldOff } = this.#options;
    if (this.#untilMs > monotonic()) return;
    const bytes = await store.get(this.#name);
    if (bytes === undefined) return;
    const value = (await seal.open(this.#name, bytes, now(), maxLimitMs)) as
      | { readonly forMs: number }
      | undefined;
    if (value === undefined) {
      ignored();
      return;
    }
    const left = await store.leftMs(this.#name);
    // The store's time to live is not in the signed envelope: it can only shorten what the value says.
    const leftMs = Math.min(left ?? 0, value.forMs, maxLimitMs);
    if (!(leftMs > 0)) return;
    this.#untilMs = monotonic() + leftMs;
    onHeldOff(Math.ceil(leftMs / 1000));
  }

  /** Throws SourceError source_rate_limited before the reset. */
  check(): void {
    const leftMs = this.#untilMs - this.#options.monotonic();
    if (leftMs <= 0) return;
    const seconds = Math.ceil(leftMs / 1000);
    const { backend } = this.#options;
    throw new SourceError(
      'source_rate_limited',
      `${backend}'s rate limit is used up, for all replicas; it resets in ${seconds} s, and nothing is asked before.`,
      `Raise the cache TTL or the interval of the AnalysisTemplates, or ask for a higher limit of ${backend}.`,
      { retryAfterSeconds: seconds },
    );
  }
}
