// Load on one URL from a process of its own: `closed SECONDS` keeps 32 connections busy, `open SECONDS RATE` asks at a
// fixed rate and counts from when each question was due. Prints { perSecond, p50Ms, p99Ms, errors }.
import { Agent, get } from 'node:http';

const [url, mode, secondsText, rateText] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: mode === 'open' ? 256 : 32 });
const endsAt = performance.now() + Number(secondsText) * 1000;
const times = [];
let errors = 0;

function ask(dueAt) {
  return new Promise((resolve) => {
    const done = (good) => {
      times.push(performance.now() - dueAt);
      if (!good) errors += 1;
      resolve();
    };
    get(url, { agent }, (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode === 200));
    }).on('error', () => done(false));
  });
}

const began = performance.now();
if (mode === 'closed') {
  const one = async () => {
    while (performance.now() < endsAt) await ask(performance.now());
  };
  await Promise.all(Array.from({ length: 32 }, one));
} else {
  const everyMs = 1000 / Number(rateText);
  const asked = [];
  for (let dueAt = began; dueAt < endsAt; ) {
    while (dueAt <= performance.now() && dueAt < endsAt) {
      asked.push(ask(dueAt));
      dueAt += everyMs;
    }
    // A timer is late by a millisecond and more: the next turn of the loop is not.
    await new Promise(setImmediate);
  }
  await Promise.all(asked);
}
const seconds = (performance.now() - began) / 1000;
times.sort((a, b) => a - b);
const at = (share) => times[Math.floor(share * (times.length - 1))];
console.log(JSON.stringify({ perSecond: times.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99), errors }));
process.exit(0);
