import { LRUCache } from 'lru-cache';
import type { Outcome, Reason } from '../domain/judge/outcome.ts';
import type { AskedAbout, GivenEntry } from '../domain/ports/verdict-history.ts';
import { quietMs } from './sent-verdicts.ts';

/** What an event takes from a verdict. Measurements are not kept alive. */
export interface Notice {
  readonly about: AskedAbout;
  /** Epoch ms. */
  readonly atMs: number;
  readonly verdict: Outcome;
  readonly reason: Reason;
  readonly summary: string;
  readonly hint: string;
  readonly mode: 'enforce' | 'observe';
  readonly canary: string;
  readonly services: readonly string[];
  readonly cujs: readonly string[];
  readonly owners: readonly string[];
  readonly runbook: string | undefined;
  readonly linkAt: GivenEntry['linkAt'];
}

export interface Announcement {
  readonly release: string;
  readonly notice: Notice;
  readonly isFinal: boolean;
  /** The release is over. */
  readonly isEnd: boolean;
  /** When this process was asked about the release first, epoch ms. */
  readonly firstMs: number;
}

type Facts = Omit<Notice, 'about' | 'atMs' | 'linkAt'>;

interface QuietRelease {
  readonly release: string;
  readonly about: AskedAbout;
  readonly services: readonly string[];
  /** When it was asked about last, as far as is known. */
  readonly lastMs: number;
  /** When this process was asked about it last. */
  readonly ownLastMs: number;
}

interface Release {
  readonly firstMs: number;
  lastMs: number;
  /** The newest verdict, and since when it has been given. */
  latest: Notice;
  sinceMs: number;
  /** What this process has sent; undefined: nothing. */
  sent: Outcome | undefined;
}

/** A pass or inconclusive verdict is sent once it has been given for so long: most rollouts change between them at some looks. */
export const settledMs = 2 * 60_000;
const maxReleases = 1_000;
/** Of a service with more CUJs, the worst. */
const maxNamed = 30;

/**
 * Decides what to tell about each release. A fail is sent at once, and is final: Argo Rollouts aborts at the first one. Another verdict
 * is sent once it has settled. The last verdict of a release that nobody has
 * asked about for {@link quietMs} is final, if it was asked about for {@link settledMs}: one question is no rollout.
 */
export class ReleaseVerdicts {
  readonly #releases = new LRUCache<string, Release>({ max: maxReleases });
  /** Most answers repeat the last one, with the same object. */
  readonly #facts = new WeakMap<GivenEntry['verdict'], Facts>();

  /** What to tell now that this verdict was given. */
  note(release: string, entry: GivenEntry): Announcement | undefined {
    const { atMs } = entry;
    const notice = this.#noticeOf(entry);
    let of = this.#releases.get(release);
    if (of === undefined) {
      of = { firstMs: atMs, lastMs: atMs, latest: notice, sinceMs: atMs, sent: undefined };
      this.#releases.set(release, of);
    }
    if (of.latest.verdict !== notice.verdict) of.sinceMs = atMs;
    of.latest = notice;
    of.lastMs = Math.max(of.lastMs, atMs);
    const isFail = notice.verdict === 'fail';
    if (of.sent === notice.verdict || !(isFail || atMs - of.sinceMs >= settledMs)) return undefined;
    of.sent = notice.verdict;
    return { release, notice, isFinal: isFail, isEnd: false, firstMs: of.firstMs };
  }

  #noticeOf({ atMs, about, verdict, linkAt }: GivenEntry): Notice {
    let facts = this.#facts.get(verdict);
    if (facts === undefined) {
      facts = factsOf(verdict);
      this.#facts.set(verdict, facts);
    }
    return { ...facts, about, atMs, linkAt };
  }

  /** Releases that nobody has asked this process about for long. */
  quiet(nowMs: number): QuietRelease[] {
    const found: QuietRelease[] = [];
    for (const [release, { lastMs, latest }] of this.#releases.entries()) {
      const { about, services } = latest;
      if (nowMs - lastMs >= quietMs) found.push({ release, about, services, lastMs, ownLastMs: latest.atMs });
    }
    return found;
  }

  /** Somebody asked another replica about it. */
  askedElsewhere(release: string, lastMs: number): void {
    const of = this.#releases.peek(release);
    if (of !== undefined) of.lastMs = Math.max(of.lastMs, lastMs);
  }

  /** Forgets a release. What to tell about its end; undefined: nothing. */
  end(release: string): Announcement | undefined {
    const of = this.#releases.peek(release);
    this.#releases.delete(release);
    if (of === undefined || of.sent === 'fail' || of.lastMs - of.firstMs < settledMs) return undefined;
    return { release, notice: of.latest, isFinal: true, isEnd: true, firstMs: of.firstMs };
  }
}

function factsOf(verdict: GivenEntry['verdict']): Facts {
  const { summary, hint, canary } = verdict;
  const common = { summary, hint, canary };
  if ('cujs' in verdict) {
    const enforced = verdict.cujs.filter(({ mode }) => mode === 'enforce');
    // Those that made the verdict of the service.
    const named = enforced.filter((one) => one.verdict === verdict.verdict).slice(0, maxNamed);
    return {
      ...common,
      verdict: verdict.verdict,
      reason: verdict.reason,
      mode: 'enforce',
      services: [verdict.service],
      cujs: named.map(({ cuj }) => cuj),
      owners: [...new Set(named.map(({ owner }) => owner))],
      runbook: undefined,
    };
  }
  const { wouldBe, mode, services, cuj, owner, runbook } = verdict;
  // A report-only CUJ always passes, which would tell nobody anything.
  const { verdict: outcome, reason } = wouldBe ?? verdict;
  return { ...common, verdict: outcome, reason, mode, services, cujs: [cuj], owners: [owner], runbook };
}
