import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from '../domain/judge/outcome.ts';
import { type AskedAbout, maxChanges, type VerdictHistory } from '../domain/ports/verdict-history.ts';
import type { RedisStore } from '../sources/redis-cache/redis-store.ts';

/** What a replica wants to tell about a release. */
export interface Claim {
  readonly release: string;
  readonly about: AskedAbout;
  readonly verdict: Outcome;
  /** The release is over: nothing is known of it afterwards. */
  readonly isEnd: boolean;
  /** When this process was asked about the release first, epoch ms. */
  readonly firstMs: number;
}

/** What was sent about releases, as far as the replicas know of each other. */
export interface SentVerdicts {
  /** Undefined: it was sent already. Otherwise what was sent before it. Never throws. */
  claim(claim: Claim, signal: AbortSignal): Promise<{ readonly previous: Outcome | undefined } | undefined>;
  /** The release is over, and there is nothing more to tell. Never throws. */
  forget(release: string): Promise<void>;
}

/** A release is in progress for so long after its last question, and over then. The same for pages (`inProgressMs`). */
export const quietMs = 10 * 60_000;
/** How long what was sent is known to other replicas: longer than a rollout with its bake. */
const sentMs = 6 * 3_600_000;
/** A history keeps a verdict that does not change every 30 minutes. */
const keptAgainMs = 35 * 60_000;

/**
 * Without a shared store: each process knows what it has sent itself. Soon after its start, a history says what was given before.
 * `startedMs` is epoch ms.
 */
export function sentByHistory(
  history: Pick<VerdictHistory, 'keepsChanges' | 'changes'>,
  startedMs: number,
): SentVerdicts {
  return {
    async claim({ about, verdict, isEnd, firstMs }) {
      if (isEnd || !history.keepsChanges || firstMs > startedMs + quietMs) return { previous: undefined };
      const toMs = firstMs - 1;
      const of = about.kind === 'cuj' ? { cuj: about.name } : { service: about.name };
      const read = await history.changes({ ...of, fromMs: toMs - keptAgainMs, toMs, max: maxChanges });
      const before = read.available ? read.value.changes.find((one) => isSame(one.about, about)) : undefined;
      // A fail ends the questions. Later ones are about another rollout of the version.
      const isStale = before?.verdict === 'fail' && toMs - before.atMs > quietMs;
      if (before === undefined || isStale) return { previous: undefined };
      return before.verdict === verdict ? undefined : { previous: before.verdict };
    },
    async forget() {},
  };
}

const claimScript = `local before = redis.call('GET', KEYS[1])
if before == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return before or ''`;
const endScript = `if not redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2], 'NX') then return 0 end
local before = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return before or ''`;

/** How often Redis is asked before it counts as down: at the start of a replica, the connection is not there yet. */
const tries = 4;
const tryPauseMs = 500;

/** What all replicas have sent, in Redis. While it is down, each replica tells what it sees. `prefix` is that of all replicas that share. */
export function sentInRedis(store: Pick<RedisStore, 'run'>, prefix: string): SentVerdicts {
  return {
    async claim({ release, verdict, isEnd }, signal) {
      const sent = `${prefix}sent:${release}`;
      const ended = `${prefix}ended:${release}`;
      for (let i = 0; i < tries; i += 1) {
        if (i > 0) await delay(tryPauseMs, undefined, { signal, ref: false }).catch(() => {});
        if (signal.aborted) break;
        try {
          const answer = await store.run((redis, before) =>
            isEnd
              ? redis.eval(endScript, 2, before + sent, before + ended, verdict, quietMs)
              : redis.eval(claimScript, 1, before + sent, verdict, sentMs),
          );
          return answer === 0 ? undefined : { previous: outcomes.find((one) => one === answer) };
        } catch {
          // Tried again.
        }
      }
      return { previous: undefined };
    },
    async forget(release) {
      await store.run((redis, before) => redis.del(`${before}${prefix}sent:${release}`)).catch(() => {});
    },
  };
}

const outcomes: readonly Outcome[] = ['pass', 'fail', 'inconclusive'];

function isSame(a: AskedAbout, b: AskedAbout): boolean {
  const names = Object.keys(a.params);
  return (
    a.kind === b.kind &&
    a.name === b.name &&
    a.service === b.service &&
    names.length === Object.keys(b.params).length &&
    names.every((name) => a.params[name] === b.params[name])
  );
}
