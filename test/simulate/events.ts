/** Random numbers of events. */

/** Binomial, by the gaps between events: fast for rare events. */
export function events(random: () => number, n: number, rate: number): number {
  if (rate <= 0) return 0;
  if (rate >= 1) return n;
  const log = Math.log1p(-rate);
  let count = 0;
  let position = -1;
  for (;;) {
    position += 1 + Math.floor(Math.log(1 - random()) / log);
    if (position >= n) return count;
    count += 1;
  }
}

/** Bad events of one minute; bursts have a geometric size. */
export function badEvents(random: () => number, n: number, rate: number, burst: number): number {
  if (burst <= 1) return events(random, n, rate);
  let bad = 0;
  for (let left = events(random, n, rate / burst); left > 0; left -= 1) {
    bad += 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / burst));
  }
  return Math.min(n, bad);
}
