/** The agents' flush interval: the finest resolution of any metric. */
export const SLOT_MS = 10_000;

/**
 * One series' points, sorted by slot (epoch time / 10 s), in typed arrays: a day of some hundred series is millions of
 * points, and objects would take too much memory. A distribution has one entry for each distinct value of a slot.
 */
export class Points {
  #slots = new Uint32Array(16);
  #amounts = new Float64Array(16);
  #values: Float64Array | undefined;
  #length = 0;

  constructor(kind: 'count' | 'distribution') {
    this.#values = kind === 'distribution' ? new Float64Array(16) : undefined;
  }

  /** Adds `amount` events (of `value`, in a distribution) to a slot; old slots too, for late spans. */
  add(slot: number, amount: number, value = 0): void {
    const end = this.#upperBound(slot);
    for (let i = end - 1; i >= 0 && this.#slots[i] === slot; i--) {
      if (this.#values === undefined || this.#values[i] === value) {
        this.#amounts[i]! += amount;
        return;
      }
    }
    this.#insert(end, slot, amount, value);
  }

  /** Calls back for every entry with from ≤ slot < to. */
  forEach(
    fromSlot: number,
    toSlot: number,
    visit: (slot: number, amount: number, value: number) => void,
  ): void {
    for (let i = this.#upperBound(fromSlot - 1); i < this.#length && this.#slots[i]! < toSlot; i++) {
      visit(this.#slots[i]!, this.#amounts[i]!, this.#values?.[i] ?? 0);
    }
  }

  /** Whether any entry has from ≤ slot < to. */
  hasAny(fromSlot: number, toSlot: number): boolean {
    const i = this.#upperBound(fromSlot - 1);
    return i < this.#length && this.#slots[i]! < toSlot;
  }

  #upperBound(slot: number): number {
    // Nearly all points arrive in order: the position is the end, without a search.
    if (this.#length === 0 || this.#slots[this.#length - 1]! <= slot) return this.#length;
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#slots[middle]! <= slot) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(index: number, slot: number, amount: number, value: number): void {
    if (this.#length === this.#slots.length) this.#grow();
    const columns = [this.#slots, this.#amounts, this.#values];
    for (const column of columns) column?.copyWithin(index + 1, index, this.#length);
    this.#slots[index] = slot;
    this.#amounts[index] = amount;
    if (this.#values) this.#values[index] = value;
    this.#length++;
  }

  #grow(): void {
    const capacity = this.#slots.length * 2;
    const slots = new Uint32Array(capacity);
    slots.set(this.#slots);
    this.#slots = slots;
    const amounts = new Float64Array(capacity);
    amounts.set(this.#amounts);
    this.#amounts = amounts;
    if (this.#values) {
      const values = new Float64Array(capacity);
      values.set(this.#values);
      this.#values = values;
    }
  }
}
