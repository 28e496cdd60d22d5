import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';

export interface Failure {
  readonly page: string;
  readonly what: string;
}

export interface PageChecks {
  readonly name: string;
  /** What the page must say. */
  readonly texts: readonly string[];
  /** The folder that pictures go to. */
  readonly pictures: string | undefined;
  /** How many sheets of A4 it may print on. */
  readonly sheets?: number | undefined;
  /** Further checks; each string is what is wrong. */
  readonly inPage?: ((page: Page) => Promise<string[]>) | undefined;
}

/** Opens a page as people do: wide and light, narrow, dark, printed. */
export async function checkPage(
  browser: Browser,
  origin: string,
  url: string,
  checks: PageChecks,
): Promise<Failure[]> {
  const wrong: string[] = [];
  // axe runs as a script of the page, which the page's own policy forbids.
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: false });
  try {
    // The name by which tsx marks functions, which the functions that run in the page have as well.
    await context.addInitScript({ content: 'globalThis.__name = (one) => one' });
    const page = await context.newPage();
    page.on('console', (message) => {
      // A status of 4xx is logged by the browser itself.
      const isStatus = /^Failed to load resource: the server responded with a status of 4/.test(
        message.text(),
      );
      if (['error', 'warning'].includes(message.type()) && !isStatus)
        wrong.push(`the console says ${message.text()}`);
    });
    page.on('pageerror', (error) => wrong.push(`a script fails: ${error.message}`));
    page.on('dialog', (dialog) => {
      wrong.push(`a dialog opens: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`)) wrong.push(`it asks ${request.url()}`);
    });
    await page.goto(`${origin}${url}`, { waitUntil: 'load' });
    // biome-ignore lint/performance/useDomNodeTextContent: what is not shown does not count
    const text = await page.locator('body').innerText();
    for (const expected of checks.texts)
      if (!text.includes(expected)) wrong.push(`it does not say ${JSON.stringify(expected)}`);
    if (/\bundefined\b|\bNaN\b|\[object|\n {4}at /.test(text)) wrong.push('it shows a value that is none');
    if ((await page.locator('h1').count()) !== 1) wrong.push('it does not have one h1');
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      const needed = await page.evaluate(() => document.documentElement.scrollWidth);
      if (needed > width) wrong.push(`it is ${needed} px wide at ${width} px`);
    }
    if (checks.inPage !== undefined) wrong.push(...(await checks.inPage(page)));
    await takePicture(page, checks, 'light');
    wrong.push(...(await axe(browser, `${origin}${url}`, 'light')));
    wrong.push(...(await axe(browser, `${origin}${url}`, 'dark', checks)));
    const printed = (await page.pdf({ format: 'A4' })).toString('latin1');
    const sheets = printed.match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    if (sheets === 0 || sheets > (checks.sheets ?? 8)) wrong.push(`it prints on ${sheets} sheets`);
  } finally {
    await context.close();
  }
  return wrong.map((what) => ({ page: checks.name, what }));
}

/** axe's findings. The page's policy lets no script in, so axe runs in a context that does not obey it. */
async function axe(
  browser: Browser,
  url: string,
  colorScheme: 'light' | 'dark',
  checks?: PageChecks,
): Promise<string[]> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    colorScheme,
    bypassCSP: true,
  });
  try {
    const page = await context.newPage();
    await page.goto(url, { waitUntil: 'load' });
    if (checks !== undefined) await takePicture(page, checks, colorScheme);
    const { violations } = await new AxeBuilder({ page }).analyze();
    return violations.map(
      ({ id, nodes }) =>
        `axe (${colorScheme}) finds ${id}: ${nodes
          .map(({ html }) => html.slice(0, 120))
          .slice(0, 3)
          .join(' | ')}`,
    );
  } finally {
    await context.close();
  }
}

async function takePicture(page: Page, { pictures, name }: PageChecks, variant: string): Promise<void> {
  if (pictures === undefined) return;
  const file = `${name.replace(/[^\w-]+/g, '-').replace(/-+$/, '')}.${variant}.png`;
  await page.screenshot({ path: path.join(pictures, file), fullPage: true });
}
