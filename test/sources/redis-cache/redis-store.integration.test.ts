import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { RedisStore } from '../../../src/sources/redis-cache/redis-store.ts';
import { SharedStoreDown } from '../../../src/sources/redis-cache/store-port.ts';
import { RedisServer, redisProgram } from './redis-server.ts';

if (redisProgram === undefined) {
  console.warn(
    'redis-store.integration.test.ts needs redis-server or valkey-server on PATH: its tests are skipped',
  );
}

let server: RedisServer | undefined;

afterEach(() => server?.kill());

function open(url: string, commandTimeoutMs = 30_000) {
  const changes: { up: boolean; why: string }[] = [];
  const news = new EventEmitter();
  let errors = 0;
  const store = new RedisStore({
    url,
    prefix: 'test:',
    commandTimeoutMs,
    probeEveryMs: 10,
    onChange(up, why) {
      changes.push({ up, why });
      news.emit('change');
    },
    onError: () => {
      errors += 1;
    },
  });
  onTestFinished(() => store.close());
  return {
    store,
    changes,
    errors: () => errors,
    async becomes(up: boolean): Promise<void> {
      while (changes.at(-1)?.up !== up) await once(news, 'change');
    },
  };
}

describe.skipIf(redisProgram === undefined)('with a real server', () => {
  it('values come back byte by byte, under the prefix, until their time is over', async () => {
    server = await RedisServer.start();
    const { store, becomes } = open(server.url);
    await becomes(true);
    expect(await store.get('a')).toBeUndefined();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await store.set('a', bytes, 60_000);
    expect(await store.get('a')).toEqual(bytes);
    expect(Number((await server.command('PTTL', 'test:a')).slice(1))).toBeGreaterThan(59_000);
    expect(await store.leftMs('a')).toBeGreaterThan(59_000);
    expect(await store.leftMs('a')).toBeLessThanOrEqual(60_000);
    await server.command('SET', 'test:endless', 'x');
    expect(await store.leftMs('endless')).toBeUndefined();
    expect(await store.leftMs('nothing')).toBeUndefined();
  });

  it('a lock is one holder’s, who alone can extend it or give it up', async () => {
    server = await RedisServer.start();
    const { store, becomes } = open(server.url);
    await becomes(true);
    expect(await store.acquire('l', 'mine', 1_000)).toBe(true);
    expect(await store.acquire('l', 'theirs', 60_000)).toBe(false);
    await store.extend('l', 'theirs', 60_000);
    await store.release('l', 'theirs');
    expect(Number((await server.command('PTTL', 'test:l')).slice(1))).toBeLessThanOrEqual(1_000);
    await store.extend('l', 'mine', 60_000);
    expect(Number((await server.command('PTTL', 'test:l')).slice(1))).toBeGreaterThan(59_000);
    await store.release('l', 'mine');
    expect(await store.acquire('l', 'theirs', 1_000)).toBe(true);
  });

  it('nobody has to be there at the start', async () => {
    server = await RedisServer.start();
    const { url } = server;
    await server.kill();
    const { store, becomes, changes } = open(url);
    await becomes(false);
    expect(changes).toEqual([{ up: false, why: expect.stringContaining('ECONNREFUSED') }]);
    await expect(store.get('a')).rejects.toBeInstanceOf(SharedStoreDown);
    await server.start();
    await becomes(true);
    await store.set('a', Buffer.from('1'), 1_000);
  });

  it('a server that dies is told of once and costs no time, and one that comes back is used again', async () => {
    server = await RedisServer.start();
    const { store, becomes, changes } = open(server.url);
    await becomes(true);
    await server.kill();
    await becomes(false);
    for (let i = 0; i < 1_000; i += 1) await expect(store.get('a')).rejects.toBeInstanceOf(SharedStoreDown);
    expect(changes.map(({ up }) => up)).toEqual([true, false]);
    await server.start();
    await becomes(true);
    expect(await store.get('a')).toBeUndefined();
  });

  it('a server that hangs costs three commands their time limit, and no more', async () => {
    server = await RedisServer.start();
    const { store, becomes, changes, errors } = open(server.url, 30);
    await becomes(true);
    server.signal('SIGSTOP');
    const began = performance.now();
    for (let i = 0; i < 100; i += 1) await expect(store.get('a')).rejects.toBeInstanceOf(SharedStoreDown);
    expect(performance.now() - began).toBeLessThan(100 * 30);
    expect(errors()).toBeGreaterThanOrEqual(3);
    expect(changes.at(-1)).toEqual({ up: false, why: 'it takes too long to answer' });
    server.signal('SIGCONT');
    await becomes(true);
  });

  it.each<[string, string[], (url: string) => string, RegExp]>([
    ['asks for a password', ['--requirepass', 'right'], (url) => url, /NOAUTH/],
    [
      'is told a wrong password',
      ['--requirepass', 'right'],
      (url) => url.replace('//', '//:wrong@'),
      /WRONGPASS|NOAUTH/,
    ],
    ['is a replica', ['--replicaof', '127.0.0.1', '1'], (url) => url, /READONLY|MASTERDOWN/],
    ['is out of memory', ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'], (url) => url, /OOM/],
  ])('a server that %s is not used, and says why', async (_, options, address, why) => {
    server = await RedisServer.start(...options);
    const { store, becomes, changes } = open(address(server.url));
    await becomes(false);
    expect(changes.at(-1)?.why).toMatch(why);
    await expect(store.get('a')).rejects.toThrow(why);
  });

  it('a password and a database are taken from the URL', async () => {
    server = await RedisServer.start('--requirepass', 'p@ss/word');
    const { store, becomes } = open(`${server.url.replace('//', '//:p%40ss%2Fword@')}/7`);
    await becomes(true);
    await store.set('a', Buffer.from('1'), 60_000);
    expect((await store.get('a'))?.toString()).toBe('1');
  });

  it('what is no text under our name is something foreign, not an error', async () => {
    server = await RedisServer.start();
    const { store, becomes, changes } = open(server.url);
    await becomes(true);
    await server.command('LPUSH', 'test:a', 'x');
    expect(await store.get('a')).toHaveLength(1);
    expect(changes.map(({ up }) => up)).toEqual([true]);
  });
});
