import { compareEndpoints } from '../../src/domain/registry/endpoint-order.ts';
import { cujOf, endpointOf, measurementOf, seededRandom } from '../domain/judge/journey.ts';

/** A question with this many endpoints and minutes, and its counts, drawn by the seed. */
export function question(endpoints: number, minutes: number, badRate: number, seed: number) {
  const random = seededRandom(seed);
  const counts = (perMinute: number, rate: number) => {
    const total = Array.from({ length: minutes }, () => Math.round(perMinute * (0.5 + random())));
    const bad = total.map((n) => {
      let e = 0;
      for (let i = 0; i < n; i += 1) if (random() < rate) e += 1;
      return e;
    });
    // One request in a thousand ends before it has a status, on both sides.
    const withStatus = total.map((n) => n - (random() < n / 1000 ? 1 : 0));
    return { total, bad, withStatus };
  };
  // In the order in which measurements have them.
  const availability = Array.from({ length: endpoints }, (_, i) =>
    endpointOf(`GET /api/v1/things/${i}`, counts(20 / (1 + i / 5), badRate), counts(400, 0.0003)),
  ).sort(compareEndpoints);
  return {
    cuj: cujOf({ endpoints: availability.map(({ label }) => label) }),
    measurement: measurementOf({ availability }),
  };
}
