// Load from a process of its own. `closed SECONDS URL` keeps 32 connections busy. `open SECONDS RATE URL...` asks each
// URL at a fixed rate, all at the same moments and each as often first as the others, and counts from when a question
// was due: what holds the machine up holds all of them up. Prints a list of { perSecond, p50Ms, p99Ms, errors }.
import { Agent, get } from 'node:http';

const [mode, secondsText, ...rest] = process.argv.slice(2);
const [rateText, urls] = mode === 'open' ? [rest[0], rest.slice(1)] : [undefined, rest];
const loads = urls.map((url) => ({
  url,
  agent: new Agent({ keepAlive: true, maxSockets: mode === 'open' ? 256 : 32 }),
  times: [],
  errors: 0,
}));

function ask(load, dueAt) {
  return new Promise((resolve) => {
    const done = (good) => {
      load.times.push(performance.now() - dueAt);
      if (!good) load.errors += 1;
      resolve();
    };
    get(load.url, { agent: load.agent }, (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode === 200));
    }).on('error', () => done(false));
  });
}

const began = performance.now();
const endsAt = began + Number(secondsText) * 1000;
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
    // A timer is late by a millisecond and more: the next turn of the loop is not.
    while (performance.now() < dueAt) await new Promise(setImmediate);
    for (let i = 0; i < loads.length; i += 1) asked.push(ask(loads[(turn + i) % loads.length], dueAt));
  }
  await Promise.all(asked);
}
const seconds = (performance.now() - began) / 1000;
const results = loads.map(({ times, errors }) => {
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(share * (times.length - 1))];
  return { perSecond: times.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99), errors };
});
console.log(JSON.stringify(results));
process.exit(0);
