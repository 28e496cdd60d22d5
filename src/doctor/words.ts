import type { Service } from '../domain/registry/model.ts';

/** `service member-api`. */
export function named({ name }: Service): string {
  return `service ${name}`;
}

/** A count with a thousands separator. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A ratio in percent with two significant digits below ten. */
export function percent(ratio: number): string {
  const value = ratio * 100;
  return `${value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(2))}%`;
}
