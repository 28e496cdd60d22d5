import { randomUUID } from 'node:crypto';
import type { AskedReleases, ReleaseNews } from './asked-releases.ts';
import type { SignedStream } from './signed-stream.ts';

/** One round reads so many pages at most; the rest is read in the next rounds. */
const pagesOfRound = 10;
/** News of so many releases are one entry of the stream. */
const releasesOfEntry = 20;
/** Entries that were read lately: somebody may have added one of ours again. */
const rememberedEntries = 10_000;

interface Batch {
  readonly replica: string;
  readonly id: string;
  readonly news: readonly ReleaseNews[];
}

/**
 * Tells the other replicas what this one was asked about, and learns what they were asked. What cannot be told is lost: it is for
 * pages alone.
 */
export class SharedNews {
  readonly #releases: AskedReleases;
  readonly #stream: SignedStream;
  readonly #replica = randomUUID();
  readonly #seen = new Set<string>();
  #readUntil = '0';
  #round: Promise<void> | undefined;

  constructor(releases: AskedReleases, stream: SignedStream) {
    this.#releases = releases;
    this.#stream = stream;
  }

  /** Tells, then learns. Rejects as the store does; calls at the same time share one round. */
  exchange(): Promise<void> {
    this.#round ??= this.#exchange().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #exchange(): Promise<void> {
    await this.tell();
    for (let page = 0; page < pagesOfRound; page += 1) {
      const { values, last, more } = await this.#stream.after(this.#readUntil);
      for (const value of values) this.#learn(value as Batch);
      if (last === undefined) break;
      this.#readUntil = last;
      if (!more) break;
    }
  }

  async tell(): Promise<void> {
    const news = this.#releases.takeNews();
    for (let i = 0; i < news.length; i += releasesOfEntry) {
      const batch: Batch = {
        replica: this.#replica,
        id: randomUUID(),
        news: news.slice(i, i + releasesOfEntry),
      };
      await this.#stream.append(batch.id, batch);
    }
  }

  /** The value is of a replica of the same format: its seal was right. */
  #learn({ replica, id, news }: Batch): void {
    if (replica === this.#replica || this.#seen.has(id)) return;
    this.#seen.add(id);
    if (this.#seen.size > rememberedEntries) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    }
    for (const one of news) this.#releases.merge(one);
  }
}
