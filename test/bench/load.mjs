// Creates load, in its own process. `closed SECONDS URL` keeps 32 connections busy. `open SECONDS RATE URL...` requests
// each URL at a fixed rate, all of them at the same moments and in rotating order, so that a slow machine affects all of
// them alike. Times count from when a request was due. Prints a list of { perSecond, p50Ms, p99Ms, errors }.
import { Pool } from 'undici';

const [mode, secondsText, ...rest] = process.argv.slice(2);
const [rateText, urls] = mode === 'open' ? [rest[0], rest.slice(1)] : [undefined, rest];
const loads = urls.map((text) => {
  const url = new URL(text);
  const pool = new Pool(url.origin, { connections: mode === 'open' ? 256 : 32, pipelining: 1 });
  return { pool, request: { path: `${url.pathname}${url.search}`, method: 'GET' }, times: [], errors: 0 };
});

function ask(load, dueAt) {
  return new Promise((resolve) => {
    let good = false;
    const done = () => {
      if (dueAt >= warmAt) load.times.push(performance.now() - dueAt);
      if (!good) load.errors += 1;
      resolve();
    };
    // Not `request`: a client's handling of the response is not part of the measurement.
    load.pool.dispatch(load.request, {
      onRequestStart() {},
      onResponseStart(_, status) {
        good = status === 200;
      },
      onResponseData() {},
      onResponseEnd: done,
      onResponseError() {
        good = false;
        done();
      },
    });
  });
}

const began = performance.now();
/** Earlier requests only open connections and warm this process up. */
const warmAt = began + 1000;
const endsAt = warmAt + Number(secondsText) * 1000;
if (mode === 'closed') {
  const one = async () => {
    while (performance.now() < endsAt) await ask(loads[0], performance.now());
  };
  await Promise.all(Array.from({ length: 32 }, one));
} else {
  const everyMs = 1000 / Number(rateText);
  const asked = [];
  for (let turn = 0; ; turn += 1) {
    const dueAt = began + turn * everyMs;
    if (dueAt >= endsAt) break;
    // A timer is late by a millisecond or more; the next turn of the event loop is not.
    while (performance.now() < dueAt) await new Promise(setImmediate);
    for (let i = 0; i < loads.length; i += 1) asked.push(ask(loads[(turn + i) % loads.length], dueAt));
  }
  await Promise.all(asked);
}
const seconds = (performance.now() - warmAt) / 1000;
const results = loads.map(({ times, errors }) => {
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(share * (times.length - 1))];
  return { perSecond: times.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99), errors };
});
console.log(JSON.stringify(results));
process.exit(0);
