import { hourMs } from '../domain/duration.ts';

/** How many requests a minute there are, by the hour. */
export interface Levels {
  /** Of all hours. */
  readonly median: number;
  /** Of the hour of the day (UTC) with the least: the median over the days, so that one outage is not a night. */
  readonly quietest: number;
  /** 0 to 23, UTC. */
  readonly quietestHour: number;
}

/** Levels of hourly counts whose first hour begins at `fromMs`; whole days of them. */
export function levelsOf(hours: ArrayLike<number>, fromMs: number): Levels {
  const byHour = hoursOfDay(hours, fromMs).map(median);
  const quietest = Math.min(...byHour);
  return {
    median: median(Array.from(hours)) / 60,
    quietest: quietest / 60,
    quietestHour: byHour.indexOf(quietest),
  };
}

/** An hour of the day, for people. */
export function hourText(hour: number): string {
  return `${String(hour).padStart(2, '0')}:00 UTC`;
}

function hoursOfDay(hours: ArrayLike<number>, fromMs: number): number[][] {
  const byHour: number[][] = Array.from({ length: 24 }, () => []);
  for (let i = 0; i < hours.length; i += 1) {
    byHour[(Math.floor(fromMs / hourMs) + i) % 24]?.push(hours[i] ?? 0);
  }
  return byHour;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const above = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? above : ((sorted[middle - 1] ?? 0) + above) / 2;
}
