import { type Browser, chromium } from 'playwright-core';
import { ensureDebian, pathOf } from '../e2e/debian.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Starts a browser without a window. Installs Debian's Chromium where none is on the PATH; throws an Error that says how, if it may not. */
export async function startBrowser(): Promise<Browser> {
  const found = () => names.map(pathOf).find((path) => path !== undefined);
  if (found() === undefined) ensureDebian(['chromium']);
  const executablePath = found();
  if (executablePath === undefined) throw new Error(`none of ${names.join(', ')} is on the PATH`);
  return chromium.launch({
    executablePath,
    // Root, as in most containers, cannot use the sandbox. Nothing but the test's own pages is opened.
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
