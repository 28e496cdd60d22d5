/** Runs that are prepared a few at a time and begin together, so that none is measured while another one is being prepared. */
export class Together {
  readonly #atOnce: number;
  #missing: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #all: Promise<void>;
  #allHere: () => void = () => {};

  constructor(runs: number, atOnce: number) {
    this.#missing = runs;
    this.#atOnce = atOnce;
    this.#all = new Promise((resolve) => {
      this.#allHere = resolve;
    });
  }

  /** Prepares one run; resolves when all runs are prepared. One that cannot be prepared does not keep the others waiting. */
  async prepared<T>(prepare: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    let made: T;
    try {
      made = await prepare();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
      this.#missing -= 1;
      if (this.#missing === 0) this.#allHere();
    }
    await this.#all;
    return made;
  }
}
