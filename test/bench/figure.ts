/** One figure of a run: the value of each round, and what it should reach. */
export interface Figure {
  readonly name: string;
  readonly values: readonly number[];
  readonly unit: '×' | ':1' | 'ms' | 'µs' | 'MB' | 'sockets' | 'a minute';
  readonly target?: { readonly atMost: number } | { readonly atLeast: number };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Round by round: only values of the same round are compared. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((value, i) => value / (theirs[i] as number));
}

export function reached({ values, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  const value = median(values);
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}

/** Name, median, minimum and maximum, target, and whether the target is met. */
export function row(figure: Figure): readonly [string, string, string, string, string] {
  const { name, values, unit, target } = figure;
  const text = (value: number) => {
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
    return `${value.toFixed(Number.isInteger(value) ? 0 : digits)}${unit.startsWith(':') ? unit : ` ${unit}`}`;
  };
  const limit =
    target === undefined ? '' : 'atMost' in target ? `≤ ${text(target.atMost)}` : `≥ ${text(target.atLeast)}`;
  const good = reached(figure);
  const range = `${text(Math.min(...values))} to ${text(Math.max(...values))}`;
  return [name, text(median(values)), range, limit, good === undefined ? '' : good ? 'yes' : 'NO'];
}
