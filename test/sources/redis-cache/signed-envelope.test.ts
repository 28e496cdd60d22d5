import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSeal } from '../../../src/sources/redis-cache/signed-envelope.ts';

const secret = '0123456789abcdef0123456789abcdef01234567';
const origin = 'https://api.datadoghq.com';
const seal = createSeal(secret, origin);
const at = Date.UTC(2026, 0, 31);
const ttl = 60_000;
const value = { answer: { counts: [0, 0, 12, 0.5], label: 'ログイン' } };

describe('a secret that nobody has', () => {
  it.each(['', undefined as unknown as string])(
    'is refused: anybody could forge an entry with %j',
    (none) => {
      expect(() => createSeal(none, origin)).toThrow('the secret of the shared cache is empty');
    },
  );
});

describe('what was closed', () => {
  it('is what every holder of the secret opens', async () => {
    const closed = await seal.close('name', value, at);
    expect(await createSeal(secret, origin).open('name', closed, at, ttl)).toEqual(value);
  });

  it.each([
    ['another name', () => seal, 'other', at],
    ['another secret', () => createSeal(`${secret}0`, origin), 'name', at],
    ['another Datadog', () => createSeal(secret, 'https://api.datadoghq.eu'), 'name', at],
    ['another day', () => seal, 'name', at + 86_400_000],
    ['a time long before it was made', () => seal, 'name', at - ttl - 60_001],
  ] as const)('is nothing with %s', async (_, other, name, now) => {
    const closed = await seal.close('name', value, at);
    expect(await other().open(name, closed, now, ttl)).toBeUndefined();
  });

  it('is nothing with any one bit changed, or anything cut off', async () => {
    const closed = await seal.close('name', value, at);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: closed.length * 8 - 1 }), async (bit) => {
        const changed = Buffer.from(closed);
        changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(await seal.open('name', changed, at, ttl)).toBeUndefined();
        expect(await seal.open('name', closed.subarray(0, bit >> 3), at, ttl)).toBeUndefined();
      }),
    );
  });

  it('is nothing where it is bytes of anybody', async () => {
    const format = (await seal.close('name', value, at)).subarray(0, 8);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, ours) => {
        const any = Buffer.concat([ours ? format : Buffer.alloc(0), bytes]);
        expect(await seal.open('name', any, at, ttl)).toBeUndefined();
      }),
    );
  });
});

it('a hundred endpoints over two hours take a few per cent of their JSON', async () => {
  const counts = Array.from({ length: 100 }, () => Array.from({ length: 120 }, (_, i) => i % 7));
  const closed = await seal.close('name', counts, at);
  expect(closed.length).toBeLessThan(JSON.stringify(counts).length / 20);
});

it('neither the namespace nor a value holds the secret', async () => {
  const closed = await seal.close('name', value, at);
  for (const text of [seal.namespace, closed.toString('latin1')])
    expect(text).not.toContain(secret.slice(0, 8));
  expect(seal.namespace).toMatch(/^[\w-]{16}$/);
  expect(createSeal(`${secret}0`, origin).namespace).not.toBe(seal.namespace);
});
