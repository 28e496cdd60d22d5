/** A turn to read and parse an answer. */
export interface ReadingTurn {
  /** Resolves when it begins. */
  readonly begun: Promise<void>;
  /** Ends it, also before it has begun. */
  readonly end: () => void;
}

/** One turn at a time, in the order of asking: long answers are not in memory side by side. */
export class ReadingTurns {
  #last: Promise<void> = Promise.resolve();

  take(): ReadingTurn {
    const begun = this.#last;
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last = begun.then(() => ended);
    return { begun, end };
  }
}
