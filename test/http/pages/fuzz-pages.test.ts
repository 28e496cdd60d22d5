import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bench } from '../fixture.ts';

const piece = fc.oneof(
  fc.constantFrom(
    'cujs',
    'services',
    'signup',
    'member-api',
    'status',
    'v',
    'r',
    'report',
    '-',
    'v2',
    '..',
    '.',
    '',
    'assets',
  ),
  fc.constantFrom(
    '2026-01-31T08:00:00Z',
    'version=v2',
    'version=v2,stable_version=v1',
    'a=b=c,,=',
    '<x-inject>',
    '"><x-inject>',
  ),
  fc.string({ maxLength: 30, unit: 'binary' }),
);
const name = fc.oneof(
  fc.constantFrom(
    'version',
    'stable_version',
    'service',
    'window',
    'since',
    'at',
    'recent',
    'explain',
    'pretty',
  ),
  fc.string({ maxLength: 10, unit: 'binary' }),
);
/** Half of them begin like an address of the gate. */
const begin = fc.constantFrom(
  '',
  '',
  '/cujs/signup/status',
  '/services/member-api/status',
  '/v/signup',
  '/r/member-api',
);
const url = fc
  .tuple(begin, fc.array(piece, { maxLength: 3 }), fc.array(fc.tuple(name, piece), { maxLength: 4 }))
  .map(([first, path, query]) => {
    const text = (part: string) => encodeURIComponent(part);
    const params = query.map(([key, value]) => `${text(key)}=${text(value)}`).join('&');
    return `${first}${first === '' || path.length > 0 ? '/' : ''}${path.map(text).join('/')}${params === '' ? '' : `?${params}`}`;
  });

describe('whatever a browser asks for', () => {
  it('is a whole page or a link within the gate, and nothing of the address is markup', async () => {
    const { app } = await bench({ allowUnauthenticatedPast: true });
    await fc.assert(
      fc.asyncProperty(url, async (asked) => {
        const { statusCode, headers, body } = await app.inject({
          url: asked,
          headers: { accept: 'text/html' },
        });
        expect(statusCode).toBeLessThan(500);
        if (statusCode === 302) {
          expect(headers.location).toMatch(/^\/(cujs|services)\/[\w-]+\/status(\?[\x21-\x7e]*)?$/);
          return;
        }
        // Files of pages, probes and documents of the API are what they are.
        if (headers['content-type'] !== 'text/html; charset=utf-8') {
          expect(statusCode).toBe(200);
          return;
        }
        expect(body).toMatch(
          /^<!doctype html>\n<html lang="en">.*<main id="content"[^>]*>.*<\/main>.*<\/html>\n$/s,
        );
        expect(body).not.toContain('<x-inject');
        expect(body.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
      { numRuns: 400 },
    );
  });
});
