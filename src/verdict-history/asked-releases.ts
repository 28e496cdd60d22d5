import { LRUCache } from 'lru-cache';
import { compareJudged } from '../domain/judge/outcome.ts';
import { trafficInWindow } from '../domain/metrics/traffic-in-window.ts';
import {
  type AskedAbout,
  type GivenEntry,
  type GivenLook,
  type GivenSli,
  inProgressMs,
  maxSlisOfLook,
  type ReleaseInProgress,
} from '../domain/ports/verdict-history.ts';

/** What one replica was asked about a release since it told the others last. */
export interface ReleaseNews {
  readonly about: AskedAbout;
  readonly services: readonly string[];
  readonly canary: string;
  readonly stable: string;
  readonly firstAskedMs: number;
  readonly lastAskedMs: number;
  /** How often, since the last news. */
  readonly asked: number;
  readonly latest: ReleaseInProgress['latest'];
  /** Looks that are new or were given again; `times` counts from the last news. */
  readonly looks: readonly GivenLook[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Release extends Mutable<Omit<ReleaseNews, 'looks'>> {
  readonly looks: Mutable<GivenLook>[];
}

interface Pending extends Mutable<Omit<ReleaseNews, 'looks'>> {
  readonly looks: Map<GivenLook, Mutable<GivenLook>>;
}

/** What a question was given last. Verdicts are compared by identity, and not kept alive. */
interface LastGiven {
  readonly of: readonly WeakRef<object>[];
  readonly look: GivenLook;
  readonly latest: Release['latest'];
}

/** How long looks are kept after the last one: a rollout with its bake is over by then. */
export const looksKeptMs = 6 * 3_600_000;
/** After a silence of so long, the same version is a release of its own. */
const newReleaseAfterMs = 3_600_000;
const maxReleases = 1_000;
/** Of all releases, and once more of all questions. One SLI of one look takes about 200 bytes, so each of the two takes at most 4 MB. */
const maxPoints = 20_000;
const maxLooksOfRelease = 1_000;
/** Questions of other replicas arrive some seconds later: the same look is looked for among the newest. */
const comparedLooks = 20;
/** In progress are at most so many: a page shows no more. */
const maxInProgress = 200;

/** The key of what was asked about: equal for equal questions, whatever the order of their parameters. */
export function keyOf({ kind, name, service, environment, params }: AskedAbout): string {
  const of = environment === undefined ? [] : [{ environment }];
  return JSON.stringify([kind, name, service ?? '', ...of, ...Object.entries(params).sort(byName)]);
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

/** Of the first CUJ with requests. */
function canaryShareOf(judged: GivenEntry['judged']): number | undefined {
  for (const { measurement, verdict } of judged) {
    if (measurement === undefined || verdict.window === undefined) continue;
    const { canary, stable } = trafficInWindow(measurement, Date.parse(verdict.window.from));
    if (canary + stable > 0) return canary / (canary + stable);
  }
  return undefined;
}

/** The releases that were asked about lately, by this replica and by those whose news are merged. In memory, bounded. */
export class AskedReleases {
  readonly #now: () => number;
  readonly #known = new LRUCache<string, Release>({
    max: maxReleases,
    maxSize: maxPoints,
    sizeCalculation: ({ looks }) => looks.reduce((sum, { slis }) => sum + slis.length + 1, 1),
  });
  /** By the question with its window. */
  readonly #lastGiven = new LRUCache<string, LastGiven>({
    max: 2 * maxReleases,
    maxSize: maxPoints,
    sizeCalculation: ({ of, look }) => of.length + look.slis.length + 1,
  });
  #pending: Map<string, Pending> | undefined;

  /** `share`: news are collected for {@link takeNews}. `now` is epoch ms. */
  constructor(options: { readonly now: () => number; readonly share: boolean }) {
    this.#now = options.now;
    if (options.share) this.#pending = new Map();
  }

  /**
   * Notes a verdict that was given. `question` is the key with window and since. Returns whether it is the very verdict that the
   * question was given last.
   */
  note(key: string, question: string, entry: GivenEntry): boolean {
    const { atMs, about, verdict, judged } = entry;
    const last = this.#lastGiven.get(question);
    if (last !== undefined && isOf(last, entry) && this.#noteAgain(key, atMs, last)) {
      this.#collect(key, { ...last.look, atMs, lastAtMs: atMs, times: 1 }, last.latest);
      return true;
    }
    const look = lookOf(entry);
    const canaryShare = canaryShareOf(judged);
    const windowFrom = 'window' in verdict ? verdict.window?.from : undefined;
    const latest = {
      verdict: verdict.verdict,
      reason: verdict.reason,
      summary: verdict.summary,
      ...(canaryShare === undefined ? {} : { canaryShare }),
      ...(windowFrom === undefined ? {} : { windowFrom }),
    };
    const of = judged.length === 0 ? [verdict] : judged.map((one) => one.verdict);
    this.#lastGiven.set(question, { of: of.map((one) => new WeakRef(one)), look, latest });
    const news = {
      about,
      services: 'services' in verdict ? verdict.services : [verdict.service],
      canary: verdict.canary,
      stable: verdict.stable,
      firstAskedMs: atMs,
      lastAskedMs: atMs,
      asked: 1,
      latest,
      looks: [look],
    };
    this.merge(news, key);
    this.#collect(key, look, latest);
    return false;
  }

  /** Most answers repeat the last one, and cost little. Returns whether the release and its look are known. */
  #noteAgain(key: string, atMs: number, { look, latest }: LastGiven): boolean {
    const known = this.#known.get(key);
    const at = known?.looks.findLastIndex((one) => isSameLook(one, look)) ?? -1;
    const same = known?.looks[at];
    if (known === undefined || same === undefined || atMs - known.lastAskedMs > newReleaseAfterMs)
      return false;
    known.asked += 1;
    known.lastAskedMs = Math.max(known.lastAskedMs, atMs);
    known.latest = latest;
    same.times += 1;
    same.lastAtMs = Math.max(same.lastAtMs, atMs);
    return true;
  }

  /** Adds what was asked elsewhere. */
  merge(news: ReleaseNews, key = keyOf(news.about)): void {
    const known = this.#known.get(key);
    if (known === undefined || news.firstAskedMs - known.lastAskedMs > newReleaseAfterMs) {
      this.#known.set(key, {
        ...news,
        looks: news.looks.slice(-maxLooksOfRelease).map((look) => ({ ...look })),
      });
      return;
    }
    known.asked += news.asked;
    known.firstAskedMs = Math.min(known.firstAskedMs, news.firstAskedMs);
    if (news.lastAskedMs >= known.lastAskedMs) {
      const { services, canary, stable, lastAskedMs, latest } = news;
      Object.assign(known, { services, canary, stable, lastAskedMs, latest });
    }
    let added = false;
    for (const look of news.looks) added = addLook(known.looks, look) || added;
    // The size of an entry is measured when another object is set.
    if (added) this.#known.set(key, { ...known });
  }

  #collect(key: string, look: GivenLook, latest: Release['latest']): void {
    const pending = this.#pending;
    const known = pending === undefined ? undefined : this.#known.peek(key);
    if (pending === undefined || known === undefined) return;
    const { looks: _, ...release } = known;
    const before = pending.get(key);
    if (before === undefined && pending.size >= maxReleases) return;
    const looks = before?.looks ?? new Map<GivenLook, Mutable<GivenLook>>();
    const same = [...looks.values()].find((one) => isSameLook(one, look));
    if (same === undefined) looks.set(look, { ...look });
    else addTo(same, look);
    pending.set(key, {
      ...release,
      latest,
      lastAskedMs: look.lastAtMs,
      firstAskedMs: before?.firstAskedMs ?? look.atMs,
      asked: (before?.asked ?? 0) + 1,
      looks,
    });
  }

  /** What was noted since the last call, and is to be told to other replicas. */
  takeNews(): ReleaseNews[] {
    if (this.#pending === undefined || this.#pending.size === 0) return [];
    const taken = [...this.#pending.values()];
    this.#pending = new Map();
    return taken.map((news) => ({ ...news, looks: [...news.looks.values()] }));
  }

  /** Worst first, then the one that was asked about last. */
  inProgress(): ReleaseInProgress[] {
    const sinceMs = this.#now() - inProgressMs;
    const open: ReleaseInProgress[] = [];
    for (const { looks: _, ...release } of this.#known.values())
      if (release.lastAskedMs >= sinceMs) open.push(release);
    return open
      .sort((a, b) => compareJudged(a.latest, b.latest) || b.lastAskedMs - a.lastAskedMs)
      .slice(0, maxInProgress);
  }

  looksOf(about: AskedAbout): GivenLook[] {
    const sinceMs = this.#now() - looksKeptMs;
    const looks = this.#known.get(keyOf(about))?.looks ?? [];
    return looks.filter(({ lastAtMs }) => lastAtMs >= sinceMs).map((look) => ({ ...look }));
  }
}

function isOf({ of }: LastGiven, { verdict, judged }: GivenEntry): boolean {
  if (judged.length === 0) return of.length === 1 && of[0]?.deref() === verdict;
  return of.length === judged.length && of.every((one, i) => one.deref() === judged[i]?.verdict);
}

/** Adds a look in the order of time, or counts it where it is there; whether it was added. */
function addLook(looks: Mutable<GivenLook>[], look: GivenLook): boolean {
  const from = Math.max(0, looks.length - comparedLooks);
  for (let i = looks.length - 1; i >= from; i -= 1) {
    const one = looks[i] as Mutable<GivenLook>;
    if (!isSameLook(one, look)) continue;
    addTo(one, look);
    return false;
  }
  let at = looks.length;
  while (at > 0 && (looks[at - 1] as GivenLook).atMs > look.atMs) at -= 1;
  looks.splice(at, 0, { ...look });
  if (looks.length > maxLooksOfRelease) looks.shift();
  return true;
}

function addTo(known: Mutable<GivenLook>, look: GivenLook): void {
  known.times += look.times;
  known.atMs = Math.min(known.atMs, look.atMs);
  known.lastAtMs = Math.max(known.lastAtMs, look.lastAtMs);
}

function isSameLook(a: GivenLook, b: GivenLook): boolean {
  return (
    a.dataUntilMs === b.dataUntilMs &&
    a.verdict === b.verdict &&
    a.reason === b.reason &&
    a.slis.length === b.slis.length &&
    a.slis.every((one, i) => isSameSli(one, b.slis[i] as GivenSli))
  );
}

function isSameSli(a: GivenSli, b: GivenSli): boolean {
  return (
    a.cuj === b.cuj &&
    a.sli === b.sli &&
    a.verdict === b.verdict &&
    a.evidence === b.evidence &&
    a.total === b.total &&
    a.bad === b.bad
  );
}

function lookOf({ atMs, verdict, judged }: GivenEntry): GivenLook {
  const slis = judged
    .flatMap(({ verdict: of }) => of.slis.map((sli) => ({ ...sli, cuj: of.cuj })))
    .sort(compareJudged)
    .slice(0, maxSlisOfLook);
  const ends = judged.flatMap(({ measurement }) =>
    measurement === undefined ? [] : [measurement.toMs + (measurement.incompleteMs ?? 0)],
  );
  return {
    atMs,
    lastAtMs: atMs,
    times: 1,
    verdict: verdict.verdict,
    reason: verdict.reason,
    ...(ends.length === 0 ? {} : { dataUntilMs: Math.max(...ends) }),
    slis: slis.map(
      ({ cuj, sli, verdict: outcome, evidence, evidenceThreshold, rulesOutRate, total, bad }) => ({
        cuj,
        sli,
        verdict: outcome,
        evidence,
        evidenceThreshold,
        rulesOutRate,
        total,
        bad,
      }),
    ),
  };
}
