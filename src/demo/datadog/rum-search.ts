import { Rejection } from './rejection.ts';

/** An event of RUM, or a span, by the paths of its attributes, such as `view.name`; tags without `@` are `env`, `version`, `service`. */
export type RumAttributes = Readonly<Record<string, string | number>>;

export type RumFilter = (attributes: RumAttributes) => boolean;

/**
 * A search of RUM's or of the trace explorer: terms that all hold, with `OR` inside parentheses and `-` before what must not hold. Only what is
 * documented is read; anything else is refused with 400. (docs.datadoghq.com, RUM explorer and trace explorer, search syntax.)
 */
export function parseRumSearch(text: string): RumFilter {
  const reader = new SearchReader(text);
  const filter = reader.all();
  reader.end();
  return filter;
}

const path = /@?[A-Za-z_][\w.]*/y;
const comparison = /(>=|<=|>|<)(-?\d+(?:\.\d+)?)/y;
const range = /\[(\d+) TO (\d+)\]/y;
const bare = /[\w.-]+/y;

class SearchReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Terms until a closing parenthesis or the end. */
  all(): RumFilter {
    const terms: RumFilter[] = [];
    let alternatives: RumFilter[] = [];
    for (;;) {
      this.#space();
      if (this.#at >= this.#text.length || this.#text[this.#at] === ')') break;
      terms.push(this.#term());
      this.#space();
      if (this.#word('OR')) {
        alternatives.push(every(terms.splice(0)));
      } else this.#word('AND');
    }
    if (terms.length === 0) throw this.#error('a term was expected');
    alternatives = [...alternatives, every(terms)];
    return (event) => alternatives.some((one) => one(event));
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#error('")" without "("');
  }

  #term(): RumFilter {
    if (this.#take('-')) {
      const negated = this.#term();
      return (event) => !negated(event);
    }
    if (this.#take('(')) {
      const inside = this.all();
      if (!this.#take(')')) throw this.#error('"(" is never closed');
      return inside;
    }
    const key = this.#match(path)?.[0];
    if (key === undefined || !this.#take(':')) throw this.#error('attribute:value was expected');
    const name = key.replace(/^@/, '');
    if (this.#take('(')) {
      const values: ((value: string | number) => boolean)[] = [];
      do {
        this.#space();
        values.push(this.#value());
        this.#space();
      } while (this.#word('OR'));
      if (!this.#take(')')) throw this.#error('"(" is never closed');
      return has(name, (value) => values.some((one) => one(value)));
    }
    return has(name, this.#value());
  }

  #value(): (value: string | number) => boolean {
    if (this.#take('*')) return () => true;
    const between = this.#match(range);
    if (between !== null) {
      const [from, to] = [Number(between[1]), Number(between[2])];
      return (value) => typeof value === 'number' && value >= from && value <= to;
    }
    const compared = this.#match(comparison);
    if (compared !== null) {
      const limit = Number(compared[2]);
      const operator = compared[1] as string;
      return (value) =>
        typeof value === 'number' &&
        (operator === '>'
          ? value > limit
          : operator === '>='
            ? value >= limit
            : operator === '<'
              ? value < limit
              : value <= limit);
    }
    const wanted = this.#take('"') ? this.#quoted() : this.#match(bare)?.[0];
    if (wanted === undefined) throw this.#error('a value was expected');
    return (value) => String(value) === wanted;
  }

  #quoted(): string {
    let text = '';
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) throw this.#error('a quote is never closed');
      this.#at += 1;
      if (character === '"') return text;
      if (character === '\\') {
        text += this.#text[this.#at] ?? '';
        this.#at += 1;
      } else text += character;
    }
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(`${word} `, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #space(): void {
    while (this.#text[this.#at] === ' ') this.#at += 1;
  }

  #error(reason: string): Rejection {
    return new Rejection(`Error parsing search ${JSON.stringify(this.#text)} at ${this.#at}: ${reason}`);
  }
}

function every(terms: readonly RumFilter[]): RumFilter {
  const all = [...terms];
  return (event) => all.every((one) => one(event));
}

/** A term about an attribute that an event lacks does not hold. */
function has(name: string, test: (value: string | number) => boolean): RumFilter {
  return (event) => {
    const value = event[name];
    return value !== undefined && test(value);
  };
}
