/** Draws in [0, 1). */
export type Draw = () => number;

export function pick<T>(draw: Draw, values: readonly T[]): T {
  return values[Math.floor(draw() * values.length)] as T;
}

export function shuffled<T>(draw: Draw, values: readonly T[]): T[] {
  const rest = [...values];
  const out: T[] = [];
  while (rest.length > 0) out.push(...rest.splice(Math.floor(draw() * rest.length), 1));
  return out;
}
