import { expect, it } from 'vitest';
import { createSeal } from '../../../src/sources/redis-cache/signed-envelope.ts';

it('what was closed is nothing where it would take more memory than an answer ever does', async () => {
  const seal = createSeal('0123456789abcdef0123456789abcdef01234567', 'https://api.datadoghq.com');
  const at = Date.UTC(2026, 0, 31);
  const closed = await seal.close('name', 'x'.repeat(64 * 1024 * 1024), at);
  expect(closed.length).toBeLessThan(1024 * 1024);
  expect(await seal.open('name', closed, at, 60_000)).toBeUndefined();
});
