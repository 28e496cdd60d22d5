/** One line of the table at the end. */
export interface Figure {
  readonly what: string;
  readonly measured: string;
  /** Empty where the figure is only shown. */
  readonly wanted: string;
  readonly met: boolean;
}

export const shown = (what: string, measured: string): Figure => ({ what, measured, wanted: '', met: true });

/** A figure that must not be above a limit; without a value it is missed. */
export function atMost(what: string, value: number | undefined, limit: number, unit = ''): Figure {
  const measured = value === undefined ? 'none' : `${round(value)}${unit}`;
  return { what, measured, wanted: `≤ ${limit}${unit}`, met: value !== undefined && value <= limit };
}

const round = (value: number) => Math.round(value * 10) / 10;

/** The value that so large a share of the values does not exceed, between two of them where it lies there. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((one, other) => one - other);
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below === undefined || above === undefined
    ? undefined
    : below + (at - Math.floor(at)) * (above - below);
}

export function figuresText(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, measured, wanted, met }) => [
    what,
    measured,
    wanted,
    wanted === '' ? '' : met ? 'met' : 'MISSED',
  ]);
  return columns([['figure', 'measured', 'wanted', ''], ...rows]);
}

/** Cells below each other; the first column is left-aligned, the others are right-aligned. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
