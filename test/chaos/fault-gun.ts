import { type Draw, shuffled } from './draw.ts';

/** How long a fault waits for a call to apply to, in ms. */
const longestWaitMs = 4_000;

/** Makes a fault of each kind. */
export type FaultMakers<Fault extends { readonly kind: string }> = {
  readonly [K in Fault['kind']]: (draw: Draw) => Fault;
};

interface Loaded<Fault> {
  readonly fault: Fault;
  readonly untilMs: number;
  left: number;
}

/** Fires faults one after the other; each kind at least once before any of them repeats. */
export class FaultGun<Fault extends { readonly kind: string }> {
  readonly #makers: FaultMakers<Fault>;
  readonly #draw: Draw;
  readonly #often: readonly Fault['kind'][];
  #magazine: Fault['kind'][] = [];
  #loaded: Loaded<Fault>[] = [];
  /** How many calls each kind applied to. */
  readonly struck = new Map<Fault['kind'], number>();

  /** `often`: kinds that come once more in each round. */
  constructor(makers: FaultMakers<Fault>, draw: Draw, often: readonly Fault['kind'][] = []) {
    this.#makers = makers;
    this.#draw = draw;
    this.#often = often;
  }

  get kinds(): readonly Fault['kind'][] {
    return Object.keys(this.#makers);
  }

  fire(nowMs: number): void {
    if (this.#magazine.length === 0) this.#magazine = shuffled(this.#draw, [...this.kinds, ...this.#often]);
    const kind = this.#magazine.pop() as Fault['kind'];
    const fault = this.#makers[kind](this.#draw);
    const left = 1 + Math.floor(this.#draw() * 4);
    this.#loaded.push({ fault, left, untilMs: nowMs + longestWaitMs });
  }

  /** Drops the pending faults: no call is affected until another fault is fired. */
  unload(): void {
    this.#loaded = [];
  }

  /** The faults of a call at this time, of those that can apply to it. */
  strike(nowMs: number, applies: (fault: Fault) => boolean = () => true): Fault[] {
    this.#loaded = this.#loaded.filter(({ left, untilMs }) => left > 0 && nowMs < untilMs);
    const striking = this.#loaded.filter(({ fault }) => applies(fault));
    for (const loaded of striking) loaded.left -= 1;
    const faults = striking.map(({ fault }) => fault);
    for (const { kind } of faults) this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
    return faults;
  }
}
