import { request } from 'undici';
import type { BackendCall, ChaosBackend } from './backend.ts';
import type { GateProcess } from './gates.ts';
import type { Inspector } from './inspector.ts';

/** The shortest reset of a run (faults.ts of each backend): each 429 forbids its gate's calls for at least this long. */
const minResetMs = 1_000;
/** Clocks are read in whole milliseconds, on both sides. */
const roundingMs = 5;
/** After this many consecutive responses, the gate has read everything sent to it before, and sent its pending calls. */
const pings = 4;

interface Limited {
  readonly call: BackendCall;
  readonly life: string;
  /** Epoch ms from which the gate is known to have read the 429. */
  readAt: number;
}

/**
 * A caller that got 429 may not query that endpoint before the reset. Every start of a gate has its own API key.
 * On a busy machine a call may cross a 429 on its way, for as long as a process waits for the CPU. A fixed allowance would
 * therefore be wrong. Instead, the gate has certainly read the 429 once it has answered requests that were sent later.
 */
export class RateLimitWatch {
  readonly #backend: ChaosBackend;
  readonly #gates: readonly GateProcess[];
  readonly #limited: Limited[] = [];
  #looked = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(backend: ChaosBackend, gates: readonly GateProcess[]) {
    this.#backend = backend;
    this.#gates = gates;
    this.#timer = setInterval(() => this.#look(), 2);
  }

  #look(): void {
    const { calls } = this.#backend;
    for (; this.#looked < calls.length; this.#looked += 1) {
      const call = calls[this.#looked] as BackendCall;
      // A late 429 is left out (ChaosBackend.isMuddled), so there is no need to wait for it.
      if (call.status !== 429 || !call.path.includes('/query')) continue;
      const limited = { call, life: this.#backend.lifeOf(call), readAt: Number.POSITIVE_INFINITY };
      this.#limited.push(limited);
      void this.#ping(limited);
    }
  }

  async #ping(limited: Limited): Promise<void> {
    const gate = this.#gates.find(({ life }) => life === limited.life);
    if (gate === undefined) return;
    for (let i = 0; i < pings; i += 1) {
      try {
        await (await request(`${gate.url}/healthz`)).body.dump();
      } catch {
        // It is being killed.
        return;
      }
    }
    if (gate.life === limited.life) limited.readAt = Date.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** After the run. */
  check(inspector: Inspector): void {
    const { calls } = this.#backend;
    for (const { call: limited, life, readAt } of this.#limited) {
      if (this.#backend.isMuddled(limited)) continue;
      const untilMs = limited.at + minResetMs - roundingMs;
      if (readAt >= untilMs) continue;
      const wrong = calls
        .filter(({ at }) => at > readAt && at < untilMs)
        .filter((call) => call.path === limited.path && this.#backend.lifeOf(call) === life)
        .map(
          ({ at }) =>
            `${life} asked ${limited.path} ${at - limited.at} ms after a 429 (read within ${readAt - limited.at} ms)`,
        );
      inspector.note('no call before the reset of a 429', ...wrong);
    }
  }
}
