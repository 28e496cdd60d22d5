import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser } from 'playwright-core';
import { freePorts } from '../free-ports.ts';

/** What is taken of the demo, after its verdict. */
const pictures = [
  { name: 'verdict', url: '/cujs/signup/status?version=v1.42.0', height: 1_500 },
  { name: 'rollouts', url: '/', height: 760 },
  { name: 'report', url: '/report', height: 760 },
] as const;

const root = path.join(import.meta.dirname, '../..');
const demoLimitMs = 120_000;

/** Takes the pictures of README and docs from the demo, in a light and a dark version. */
export async function writePictures(browser: Browser, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const [port] = await freePorts(1);
  const demo = spawn(process.execPath, ['--import', 'tsx', 'src/bin.ts', 'demo', '--port', String(port)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await hasEnded(demo.stdout);
    for (const { name, url, height } of pictures) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const context = await browser.newContext({ viewport: { width: 1_080, height }, colorScheme });
        const page = await context.newPage();
        await page.goto(`http://127.0.0.1:${port}${url}`, { waitUntil: 'load' });
        const file = path.join(folder, `${name}${colorScheme === 'dark' ? '-dark' : ''}.png`);
        await page.screenshot({ path: file });
        console.log(`wrote ${path.relative(root, file)}`);
        await context.close();
      }
    }
  } finally {
    demo.kill('SIGINT');
  }
}

/** Waits until the demo has its verdict. Throws an Error after {@link demoLimitMs}. */
async function hasEnded(output: NodeJS.ReadableStream): Promise<void> {
  const late = setTimeout(() => output.emit('error', new Error('the demo has no verdict yet')), demoLimitMs);
  try {
    for await (const line of createInterface({ input: output })) if (/Ctrl-C to exit/.test(line)) return;
    throw new Error('the demo ended before its verdict');
  } finally {
    clearTimeout(late);
  }
}
