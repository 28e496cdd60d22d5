/**
 * npm run test:browser [-- --only NAME] [--pictures FOLDER] [--write]: every page in every situation in Debian's Chromium. It checks what the
 * page says, that charts stand where the numbers of the JSON say, axe, the console, requests to elsewhere, 320 px, dark mode and
 * print. `--pictures` keeps a picture of every page to look at, `--write` the README's.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser } from 'playwright-core';
import { bench, registryOf } from '../http/fixture.ts';
import { checkCharts } from './check-charts.ts';
import { checkPage, type Failure } from './check-page.ts';
import { startBrowser } from './chromium.ts';
import { writePictures } from './pictures.ts';
import {
  hostileTitle,
  nowMs,
  registryDocument,
  type Situation,
  situations,
  snapshotIn,
} from './situations.ts';

const { values: args } = parseArgs({
  options: { only: { type: 'string' }, pictures: { type: 'string' }, write: { type: 'boolean' } },
});

/** A gate in a situation, on a port of its own. */
async function gateIn(situation: Situation) {
  const { app, world } = await bench({}, 'uncached');
  world.nowMs = nowMs;
  world.registry = world.registry && { ...world.registry, registry: registryOf(registryDocument(situation)) };
  world.measure = async (query) => snapshotIn(situation, query);
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  return { origin, close: () => app.close() };
}

async function checkSituation(browser: Browser, situation: Situation): Promise<Failure[]> {
  const gate = await gateIn(situation);
  try {
    const failures: Failure[] = [];
    const paths = [
      '/services/member-api/status?version=v2',
      ...(situation.ofService ? [] : ['/cujs/signup/status?version=v2']),
    ];
    for (const each of paths) {
      const json = await (await fetch(`${gate.origin}${each}`)).json();
      const expected = [json.verdict.toUpperCase(), json.reason, situation.ofService ? '' : 'team-identity'];
      const about = `${situation.name} ${each.split('/')[1]}`;
      failures.push(
        ...(await checkPage(browser, gate.origin, each, {
          name: about,
          texts: expected.filter((text) => text !== ''),
          pictures: args.pictures,
          inPage: each.startsWith('/cujs/') ? (page) => checkCharts(page, json) : undefined,
        })),
      );
      // A service has other reasons than its CUJ where the CUJ only reports.
      const isAsked = situation.ofService === true || each.startsWith('/cujs/');
      if (isAsked && (json.verdict !== situation.verdict || json.reason !== situation.reason))
        failures.push({ page: about, what: `the situation gives ${json.verdict} ${json.reason}` });
    }
    return failures;
  } finally {
    await gate.close();
  }
}

/** Pages that are about no verdict, and registries that hold markup. */
async function checkOthers(browser: Browser): Promise<Failure[]> {
  const retired = {
    name: 'checkout',
    aliases: ['buy'],
    owner: 'team-payment',
    retired: 'merged into sign-up',
  };
  const plain: Situation = {
    ...(situations[0] as Situation),
    cuj: { aliases: ['register'] },
    others: [retired],
  };
  const hostile: Situation = {
    ...plain,
    cuj: {
      title: hostileTitle,
      owner: hostileTitle,
      runbook: 'javascript:alert(3)',
      description: hostileTitle,
    },
    others: [{ ...retired, title: hostileTitle, owner: hostileTitle, retired: hostileTitle }],
  };
  const failures: Failure[] = [];
  for (const [name, situation] of [
    ['plain', plain],
    ['hostile', hostile],
  ] as const) {
    const gate = await gateIn(situation);
    const version = name === 'hostile' ? `v${'9'.repeat(199)}` : 'v2';
    try {
      for (const each of [
        '/',
        '/?recent=7',
        '/report',
        '/cujs/signup',
        '/cujs/register/status?version=v2',
        `/cujs/checkout/status?version=${version}`,
        '/cujs/buy',
        `/cujs/signup/status?version=${version}`,
        `/services/member-api/status?version=${version}`,
        '/cujs/sinup/status?version=v2',
        '/cujs/signup/status',
        '/nowhere',
      ]) {
        failures.push(
          ...(await checkPage(browser, gate.origin, each, {
            name: `${name} ${each.slice(0, 40)}`,
            texts: ['cuj-gate'],
            pictures: args.pictures,
            sheets: each === '/report' ? 2 : undefined,
          })),
        );
      }
    } finally {
      await gate.close();
    }
  }
  return failures;
}

if (args.pictures !== undefined) mkdirSync(args.pictures, { recursive: true });
const browser = await startBrowser();
let failed = 0;
const report = (name: string, failures: readonly Failure[]) => {
  failed += failures.length;
  console.log(`${failures.length === 0 ? 'ok  ' : 'FAIL'} ${name}`);
  for (const { page, what } of failures) console.log(`     ${page}: ${what}`);
};
try {
  for (const situation of situations) {
    if (args.only !== undefined && situation.name !== args.only) continue;
    report(situation.name, await checkSituation(browser, situation));
  }
  if (args.only === undefined || args.only === 'others') report('other pages', await checkOthers(browser));
  if (args.write) await writePictures(browser, path.join(import.meta.dirname, '../../docs/pictures'));
} finally {
  await browser.close();
}
console.log(failed === 0 ? 'all pages passed' : `${failed} failures`);
process.exitCode = failed === 0 ? 0 : 1;
