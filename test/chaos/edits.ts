import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Draw, pick } from './draw.ts';
import { type RegistryDialect, spoilers, type Variant, variant } from './registries.ts';

/** Changes the registry of one gate: by an atomic rename, or as the kubelet swaps a ConfigMap. */
export class Edits {
  /** The path that the gate reads. */
  readonly path: string;
  readonly #folder: string;
  readonly #how: 'rename' | 'configmap';
  readonly #draw: Draw;
  readonly #number: () => number;
  readonly #dialect: RegistryDialect;
  readonly variants = new Map<string, Variant>();
  #writes = 0;
  /** Whether a gate that starts now would read a good registry. */
  good = true;
  /** The newest good variant, and when it was put in place. */
  newest!: { readonly variant: Variant; readonly atMs: number };
  counts = { good: 0, bad: 0, unreadable: 0 };

  /** `number` numbers the variants: no two registries of a run have the same. */
  constructor(
    folder: string,
    how: 'rename' | 'configmap',
    draw: Draw,
    number: () => number,
    dialect: RegistryDialect,
  ) {
    this.#folder = folder;
    this.#how = how;
    this.#draw = draw;
    this.#number = number;
    this.#dialect = dialect;
    mkdirSync(folder, { recursive: true });
    this.path = how === 'configmap' ? folder : path.join(folder, 'cujs.yaml');
    this.putGood();
  }

  putGood(): void {
    const next = variant(this.#number(), this.#dialect);
    this.variants.set(next.owner, next);
    this.#write(next.text);
    this.newest = { variant: next, atMs: Date.now() };
    this.good = true;
    this.counts.good += 1;
  }

  /** A good registry that cannot be read at first: its file is missing. Only for swaps of a ConfigMap. */
  putGoodUnreadable(forMs: number): void {
    const next = variant(this.#number(), this.#dialect);
    this.variants.set(next.owner, next);
    this.#write(next.text);
    const file = path.join(this.#folder, '..data', 'cujs.yaml');
    const hidden = path.join(this.#folder, `..hidden_${this.#writes}`);
    renameSync(file, hidden);
    this.counts.unreadable += 1;
    const writes = this.#writes;
    setTimeout(() => {
      // Swapped again meanwhile: no gate would read it.
      if (writes !== this.#writes) return rmSync(hidden);
      renameSync(hidden, file);
      this.newest = { variant: next, atMs: Date.now() };
      this.good = true;
    }, forMs);
  }

  /** Returns what was done. */
  putBad(): string {
    const [name, spoil] = pick(this.#draw, spoilers);
    this.#write(spoil(this.newest.variant.text));
    this.good = false;
    this.counts.bad += 1;
    return name;
  }

  #write(text: string): void {
    this.#writes += 1;
    if (this.#how === 'rename') {
      const written = `${this.path}.new`;
      writeFileSync(written, text);
      renameSync(written, this.path);
      return;
    }
    const data = `..2026_${this.#writes}`;
    mkdirSync(path.join(this.#folder, data));
    writeFileSync(path.join(this.#folder, data, 'cujs.yaml'), text);
    symlinkSync(data, path.join(this.#folder, '..data_tmp'));
    renameSync(path.join(this.#folder, '..data_tmp'), path.join(this.#folder, '..data'));
    if (this.#writes === 1) symlinkSync('..data/cujs.yaml', path.join(this.#folder, 'cujs.yaml'));
    else rmSync(path.join(this.#folder, `..2026_${this.#writes - 1}`), { recursive: true });
  }
}
