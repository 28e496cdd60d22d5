export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** Durations as people write them in the registry: a whole number and one unit. */
export const durationPattern = '^[1-9][0-9]{0,4}(s|m|h|d)$';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `90s`, `5m`, `2h`, `30d`; undefined for any other text. */
export function durationMs(text: string): number | undefined {
  const match = /^([1-9][0-9]{0,4})(s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}

/** The shortest text for a span: `5400000` is `90m`. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms >= unitMs[unit] && ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  }
  return `${ms}ms`;
}

/** The last multiple of 60 s at or before `ms`. */
export function floorMinute(ms: number): number {
  return floorTo(ms, 60_000);
}

/** The last multiple of `stepMs` at or before `ms`. */
export function floorTo(ms: number, stepMs: number): number {
  return Math.floor(ms / stepMs) * stepMs;
}

/** The first multiple of `stepMs` at or after `ms`. */
export function ceilTo(ms: number, stepMs: number): number {
  return Math.ceil(ms / stepMs) * stepMs;
}
