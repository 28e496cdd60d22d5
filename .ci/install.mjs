// `npm ci` for a fresh clone, which says how far it is. npm itself shows nothing under `npm run --silent`.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, utimesSync } from 'node:fs';

const everyMs = 3_000;
const startedMs = Date.now();

/** The packages of the lockfile that this machine gets. */
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const matches = (list, value) =>
  list === undefined ||
  (list.includes(`!${value}`) ? false : list[0]?.startsWith('!') || list.includes(value));
const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
const wanted = Object.entries(packages)
  .filter(([path, one]) => path !== '' && matches(one.os, process.platform) && matches(one.cpu, process.arch))
  .filter(([, one]) => matches(one.libc, libc))
  .map(([path]) => path);

function progress() {
  const installed = wanted.filter((path) => existsSync(`${path}/package.json`)).length;
  return `${installed} of ${wanted.length} packages, ${Math.round((Date.now() - startedMs) / 1000)} s`;
}

console.error('Installing node_modules, once; this takes a minute.');
const timer = setInterval(() => console.error(`  ${progress()}`), everyMs);
const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
npm.once('error', (error) => {
  clearInterval(timer);
  console.error(`npm ci cannot be started: ${error.message}`);
  process.exitCode = 1;
});
npm.once('close', (code, signal) => {
  clearInterval(timer);
  if (code !== 0) {
    console.error(
      `npm ci failed (${signal ?? `exit code ${code}`}). Repair what it names, and run this again.`,
    );
    process.exitCode = code || 1;
    return;
  }
  // `npm run setup` installs again where the lockfile is newer than this file.
  utimesSync('node_modules/.package-lock.json', new Date(), new Date());
  console.error(`Installed ${progress()}.`);
});
