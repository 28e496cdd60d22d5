import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { judgeAgain, parseRecord } from '../../src/domain/judge/verdict-record.ts';
import type { Draw } from './draw.ts';
import type { Inspector } from './inspector.ts';

/** The folder in which a gate keeps changes of verdicts, and what happens to it: it must not affect any answer. */
export class HistoryFolder {
  readonly path: string;
  times = 0;

  constructor(folder: string) {
    this.path = folder;
  }

  /** For a while, a file is in its place, or in that of a day, or what was kept is gone. */
  async spoil(draw: Draw): Promise<void> {
    mkdirSync(this.path, { recursive: true });
    this.times += 1;
    const day = path.join(this.path, new Date().toISOString().slice(0, 10));
    const what = draw();
    const place = what < 0.6 ? this.path : day;
    const aside = `${this.path}-aside-${this.times}`;
    this.#retry(() => renameSync(place, aside));
    if (what < 0.8) {
      this.#retry(() => writeFileSync(place, 'no folder'));
      await sleep(2_000 * draw());
      rmSync(place, { recursive: true, force: true });
    }
    if (what < 0.4) this.#retry(() => renameSync(aside, place));
  }

  /** The gate may make the folder again at the same time. Gives up where there is nothing to act on. */
  #retry(act: () => void): void {
    for (let tries = 0; tries < 3; tries += 1) {
      try {
        act();
        return;
      } catch {
        // The next time it may be there, or no longer be there.
      }
    }
  }

  /** What was kept gives the same verdicts again. Returns how many. */
  check(inspector: Inspector): number {
    const parent = path.dirname(this.path);
    // What was put aside is still there.
    const mine = (name: string) => name.startsWith(path.basename(this.path));
    const files = readdirSync(parent, { recursive: true, encoding: 'utf8' }).filter(
      (name) => mine(name) && name.endsWith('.json'),
    );
    let judged = 0;
    for (const name of files) {
      const text = readFileSync(path.join(parent, name), 'utf8');
      const { measurement, records } = JSON.parse(text);
      if (measurement === undefined && records === undefined) continue;
      judged += 1;
      inspector.note(
        'what was kept gives the same verdict again',
        ...(judgeAgain(parseRecord(text)).same ? [] : [name]),
      );
    }
    return judged;
  }
}
