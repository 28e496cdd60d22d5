import { describe, expect, it } from 'vitest';
import { wantsPage } from '../../../src/http/pages/accept.ts';
import { bench } from '../fixture.ts';

const chrome =
  'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7';
const firefox = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const safari = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

const asks = (accept: string | undefined, more: Record<string, string> = {}, method = 'GET') =>
  wantsPage({ method, headers: { host: 'gate', ...(accept === undefined ? {} : { accept }), ...more } });

describe('who gets a page', () => {
  it.each([
    ['Chrome', chrome],
    ['Firefox', firefox],
    ['Safari', safari],
    ['text/html alone', 'text/html'],
    ['a page is preferred', 'application/json;q=0.5, text/html;q=0.6'],
  ])('%s', (_, accept) => expect(asks(accept)).toBe(true));

  it.each([
    ["Go's client, which sends no Accept", undefined],
    ['curl', '*/*'],
    ['an empty header', ''],
    ['the generated templates', 'application/json'],
    ['any text', 'text/*'],
    ['plain text', 'text/plain'],
    ['both equally', 'text/html, application/json'],
    ['both equally, JSON first', 'application/json, text/html'],
    ['JSON preferred', 'text/html;q=0.8, application/json'],
    ['a page refused', 'text/html;q=0, */*'],
    ['a longer name', 'text/html-template'],
    ['a list without end', `text/html,${'a/b,'.repeat(400)}`],
    ['no media types', ';;;,,,=='],
  ])('JSON: %s', (_, accept) => expect(asks(accept)).toBe(false));

  it('no template, whatever a proxy makes of its Accept', () => {
    expect(asks(chrome, { 'x-canary-version': 'v2' })).toBe(false);
    expect(asks(chrome, { 'x-canary-': '' })).toBe(false);
    expect(asks(chrome, { 'x-canary': 'analysis' })).toBe(false);
    expect(asks(chrome, { 'x-canarying': '' })).toBe(true);
  });

  it('no request that is not a GET', () => {
    expect(asks(chrome, {}, 'POST')).toBe(false);
    expect(asks(chrome, {}, 'HEAD')).toBe(true);
  });
});

describe('every address of the API', () => {
  const urls = [
    '/cujs/signup/status?version=v2',
    '/services/member-api/status?version=v2',
    '/cujs/signup',
    '/cujs/signup/status',
    '/cujs/none/status?version=v2',
    '/services/none/status?version=v2',
    '/nowhere',
  ];

  it.each(urls)('answers JSON to whoever does not ask for a page: %s', async (url) => {
    const { app } = await bench();
    for (const accept of ['*/*', 'application/json', 'text/*', 'text/html, application/json', '']) {
      const answer = await app.inject({ url, headers: { accept } });
      expect(answer.headers['content-type']).toMatch(/^application\/(problem\+)?json; charset=utf-8$/);
      expect(answer.headers.vary).toBe('Accept');
    }
  });

  it.each(urls)('answers a browser with a page that nobody keeps, and the same status: %s', async (url) => {
    const { app } = await bench();
    const json = await app.inject(url);
    const page = await app.inject({ url, headers: { accept: chrome } });
    expect(page.statusCode).toBe(json.statusCode);
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      vary: 'Accept',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; /);
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.body).toMatch(/^<!doctype html>\n<html lang="en">/);
  });
});
