import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../domain/judge/journey.ts';
import { type Bench, bench } from './fixture.ts';
import { portOf } from './wire.ts';
import { tryOnWire, wireCase } from './wire-fuzz.ts';

/** A few hundred connections of a grammar's; `npm run chaos` sends more, at a gate with other worries. */

let gate: Bench;
beforeAll(async () => {
  gate = await bench();
  await gate.app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  gate.app.server.closeAllConnections();
  await gate.app.close();
});

it.each([1, 2, 3, 4])(
  'whatever arrives on a socket, whole JSON objects are what goes out: seed %i',
  async (seed) => {
    const draw = seededRandom(seed);
    for (let i = 0; i < 100; i += 1) {
      const one = wireCase(draw);
      const wrong = await tryOnWire(portOf(gate.app), one);
      expect(wrong, `case ${i}: ${JSON.stringify(one.bytes.toString('latin1').slice(0, 2000))}`).toEqual([]);
    }
  },
);
