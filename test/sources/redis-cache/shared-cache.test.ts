import { beforeEach, describe, expect, it } from 'vitest';
import { SourceError, type SourceErrorCode } from '../../../src/domain/errors.ts';
import { Replicas, until } from './replicas.ts';

const trouble = (code: SourceErrorCode, options = {}) =>
  new SourceError(code, 'what it said', 'what to do', options);
let replicas: Replicas;

beforeEach(() => {
  replicas = new Replicas();
});

describe('across replicas', () => {
  it('one asks, and ten have the answer', async () => {
    const ten = Array.from({ length: 10 }, () => replicas.start());
    const asked = ten.map(({ ask }) => ask());
    const call = await replicas.call(1);
    await until(() => replicas.waiting === 9);
    call.answer('42');
    await until(() => replicas.store.locks().length === 0);
    await replicas.pass(100);
    expect(await Promise.all(asked)).toEqual(Array(10).fill('42'));
    expect(replicas.calls).toHaveLength(1);
    expect(ten.map(({ counted }) => counted.hits + counted.misses)).toEqual(Array(10).fill(1));
    expect(ten.reduce((misses, { counted }) => misses + counted.misses, 0)).toBe(1);
  });

  it('later callers get it at once, until it expires', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const asked = first.ask();
    (await replicas.call(1)).answer('42');
    await asked;
    await first.answers.settled();
    await replicas.pass(59_000);
    expect(await second.ask()).toBe('42');
    await replicas.pass(1_001);
    const again = second.ask();
    (await replicas.call(2)).answer('43');
    expect(await again).toBe('43');
  });

  it('other questions do not wait', async () => {
    const { ask } = replicas.start();
    void ask('one');
    void ask('another');
    await replicas.call(2);
  });

  it('the answer that came between look and lock is taken', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const acquire = replicas.store.acquire.bind(replicas.store);
    replicas.store.acquire = async (...lock) => {
      replicas.store.acquire = acquire;
      // The other replica is quicker, from beginning to end.
      const asked = first.ask();
      (await replicas.call(1)).answer('42');
      await asked;
      await first.answers.settled();
      return acquire(...lock);
    };
    expect(await second.ask()).toBe('42');
    expect(replicas.calls).toHaveLength(1);
    await second.answers.settled();
    expect(replicas.store.locks()).toEqual([]);
  });

  it.each<SourceErrorCode>(['source_unavailable', 'source_malformed', 'source_timeout'])(
    '%s is what all hear who waited, and nobody who comes later',
    async (code) => {
      const [first, second, third] = [replicas.start(), replicas.start(), replicas.start()];
      const asked = first.ask();
      const call = await replicas.call(1);
      const waited = second.ask();
      await until(() => replicas.waiting === 1);
      call.fail(trouble(code));
      await expect(asked).rejects.toMatchObject({ code });
      await first.answers.settled();
      await replicas.pass(100);
      await expect(waited).rejects.toMatchObject({ code, message: 'what it said', hint: 'what to do' });
      const later = third.ask();
      (await replicas.call(2)).answer('42');
      expect(await later).toBe('42');
    },
  );

  it('a rejection, which may be of one replica’s own keys, leads the next one to ask', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const asked = first.ask();
    const call = await replicas.call(1);
    const waited = second.ask();
    await until(() => replicas.waiting === 1);
    call.fail(trouble('source_rejected'));
    await expect(asked).rejects.toMatchObject({ code: 'source_rejected' });
    await first.answers.settled();
    await replicas.pass(100);
    (await replicas.call(2)).answer('42');
    expect(await waited).toBe('42');
  });

  it('a call that was cut off, because everybody there has gone, is no news for the others', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const gone = new AbortController();
    const asked = first.ask('question', gone.signal);
    const call = await replicas.call(1);
    const waited = second.ask();
    await until(() => replicas.waiting === 1);
    gone.abort();
    call.fail(trouble('source_timeout'));
    await expect(asked).rejects.toThrow();
    await first.answers.settled();
    await replicas.pass(100);
    (await replicas.call(2)).answer('42');
    expect(await waited).toBe('42');
  });
});

describe('a waiting caller', () => {
  it('goes on waiting while the holder lives, and asks itself while there is time for it', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    void first.ask();
    await replicas.call(1);
    const waited = second.ask();
    for (let ms = 0; ms < 6_000; ms += 500) {
      await until(() => replicas.waiting === 1);
      expect(replicas.calls).toHaveLength(1);
      await replicas.pass(500);
    }
    (await replicas.call(2)).answer('42');
    expect(await waited).toBe('42');
    expect(second.counted).toEqual({ hits: 0, misses: 1, ignored: 0 });
  });

  it('asks in the place of a holder that died', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    void first.ask();
    await replicas.call(1);
    const waited = second.ask();
    await until(() => replicas.waiting === 1);
    await replicas.pass(1_900, { holdersLive: false });
    await until(() => replicas.waiting === 1);
    await replicas.pass(100, { holdersLive: false });
    (await replicas.call(2)).answer('42');
    expect(await waited).toBe('42');
  });

  it('does not take a lock away that another has got in the meantime', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const asked = first.ask();
    const call = await replicas.call(1);
    const waited = second.ask();
    await until(() => replicas.waiting === 1);
    await replicas.pass(2_100, { holdersLive: false });
    const other = await replicas.call(2);
    call.answer('late');
    expect(await asked).toBe('late');
    await first.answers.settled();
    expect(replicas.store.locks()).toHaveLength(1);
    other.answer('42');
    expect(await waited).toBe('42');
  });
});

describe('a 429', () => {
  const limited = trouble('source_rate_limited', { retryAfterSeconds: 30 });

  it('stops every replica until its reset, whatever it asks, and those that wait as well', async () => {
    const held: number[] = [];
    const first = replicas.start();
    const second = replicas.start({ heldOff: (seconds) => held.push(seconds) });
    const asked = first.ask();
    const call = await replicas.call(1);
    const waited = second.ask();
    await until(() => replicas.waiting === 1);
    call.fail(limited);
    await expect(asked).rejects.toBe(limited);
    await first.answers.settled();
    await replicas.pass(100);
    await expect(waited).rejects.toMatchObject({ code: 'source_rate_limited', retryAfterSeconds: 30 });
    await replicas.pass(9_900);
    await expect(second.ask('another')).rejects.toMatchObject({ retryAfterSeconds: 20 });
    await expect(first.ask('another')).rejects.toMatchObject({ retryAfterSeconds: 20 });
    expect(held).toEqual([30]);
    expect(replicas.calls).toHaveLength(1);
    await replicas.pass(20_000);
    void second.ask('another');
    await replicas.call(2);
  });

  it('leaves answers that are there as they are', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const asked = first.ask();
    (await replicas.call(1)).answer('42');
    await asked;
    await first.answers.limited(30);
    await first.answers.settled();
    expect(await second.ask()).toBe('42');
  });

  it('is told to the connection, once, so that it holds when the store goes down', async () => {
    const held: number[] = [];
    const first = replicas.start();
    const second = replicas.start({ heldOff: (seconds) => held.push(seconds) });
    await first.answers.limited(30);
    await expect(second.ask()).rejects.toMatchObject({ code: 'source_rate_limited' });
    await expect(second.ask()).rejects.toMatchObject({ code: 'source_rate_limited' });
    expect(held).toEqual([30]);
  });

  it.each([
    ['fast', 3_600_000],
    ['a little fast', 45_000],
    ['slow', -3_600_000],
    ['a little slow', -45_000],
  ])('lasts as long for all where the clock of the replica that met it is %s', async (_, clockOffMs) => {
    const held: number[] = [];
    const first = replicas.start({ clockOffMs });
    const second = replicas.start({ heldOff: (seconds) => held.push(seconds) });
    await first.answers.limited(30);
    await replicas.pass(10_000);
    await expect(second.ask()).rejects.toMatchObject({ retryAfterSeconds: 20 });
    expect(held).toEqual([20]);
    await replicas.pass(20_000);
    void second.ask();
    await replicas.call(1);
  });

  it('lasts no longer than it was told to, however long the store keeps it', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    await first.answers.limited(30);
    for (const [name, { value }] of replicas.store.values)
      replicas.store.values.set(name, { value, endMs: Number.POSITIVE_INFINITY });
    await expect(second.ask()).rejects.toMatchObject({ retryAfterSeconds: 30 });
  });

  it('cannot be made up by somebody without the secret', async () => {
    const foreign = replicas.start({ secret: 'another key' });
    await foreign.answers.limited(3_600);
    await foreign.answers.settled();
    const own = replicas.start();
    const ownName = async () => {
      await own.answers.limited(1);
      return [...replicas.store.values.keys()].find((name) => !known.has(name)) as string;
    };
    const known = new Set(replicas.store.values.keys());
    const [forged] = replicas.store.values.values();
    const name = await ownName();
    await replicas.pass(2_000);
    replicas.store.values.set(name, { value: forged?.value as Buffer, endMs: Number.POSITIVE_INFINITY });
    void replicas.start().ask();
    await replicas.call(1);
  });
});

describe('without the store', () => {
  it('every replica asks for itself', async () => {
    replicas.store.down = true;
    const [first, second] = [replicas.start(), replicas.start()];
    const asked = [first.ask(), second.ask()];
    (await replicas.call(1)).answer('1');
    (await replicas.call(2)).answer('2');
    expect(await Promise.all(asked)).toEqual(['1', '2']);
    expect(first.counted).toEqual({ hits: 0, misses: 0, ignored: 0 });
  });

  it('waiting callers query as soon as it is lost, and return the result although it cannot be cached', async () => {
    const [first, second] = [replicas.start(), replicas.start()];
    const asked = first.ask();
    const call = await replicas.call(1);
    const waited = second.ask();
    await until(() => replicas.waiting === 1);
    replicas.store.down = true;
    await replicas.pass(100);
    (await replicas.call(2)).answer('2');
    call.answer('1');
    expect(await Promise.all([asked, waited])).toEqual(['1', '2']);
    await first.answers.settled();
  });
});

describe('what lies in the store', () => {
  async function stored() {
    const first = replicas.start();
    const asked = first.ask();
    (await replicas.call(1)).answer('42');
    await asked;
    await first.answers.settled();
    const [name] = [...replicas.store.values.keys()];
    return { name: name as string, value: (await replicas.store.get(name as string)) as Buffer };
  }
  const put = (name: string, value: Buffer) =>
    replicas.store.values.set(name, { value, endMs: Number.POSITIVE_INFINITY });

  it.each<[string, (own: Buffer) => Buffer]>([
    ['text of somebody else', () => Buffer.from('{"answer":{"text":"0"}}')],
    ['nothing but a beginning', (own) => own.subarray(0, 40)],
    ['a value that was damaged', (own) => Buffer.concat([own.subarray(0, -1), Buffer.from([0x55])])],
  ])('is ignored, counted and replaced where it is %s', async (_, spoil) => {
    const { name, value } = await stored();
    put(name, spoil(value));
    const second = replicas.start();
    const asked = second.ask();
    (await replicas.call(2)).answer('43');
    expect(await asked).toBe('43');
    expect(second.counted.ignored).toBeGreaterThan(0);
    await second.answers.settled();
    expect(await replicas.start().ask()).toBe('43');
  });

  it('is not believed under another name', async () => {
    const { name, value } = await stored();
    put(name.replace('question', 'another'), value);
    const second = replicas.start();
    void second.ask('another');
    await replicas.call(2);
    expect(second.counted.ignored).toBeGreaterThan(0);
  });

  it('is not believed when somebody kept it and put it back', async () => {
    const { name, value } = await stored();
    await replicas.pass(121_000);
    put(name, value);
    const second = replicas.start();
    void second.ask();
    await replicas.call(2);
    expect(second.counted.ignored).toBeGreaterThan(0);
  });

  it('is shared by replicas whose clocks are a little apart', async () => {
    await stored();
    expect(await replicas.start({ clockOffMs: -5_000 }).ask()).toBe('42');
  });

  it('is under other names for gates with another key', async () => {
    await stored();
    const other = replicas.start({ secret: 'another key' });
    void other.ask();
    await replicas.call(2);
    expect(other.counted.ignored).toBe(0);
  });
});
