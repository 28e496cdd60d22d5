import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';

/** Pages of every kind: the start, a long one, one with wide tables, one in Japanese, one with pictures. */
const samples = [
  'index.html',
  'README.ja.html',
  'docs/operations.html',
  'docs/verdicts.html',
  'docs/development/architecture.html',
] as const;

/** What people type, and the page that the first hits must contain. */
const searches = [
  { typed: 'endpoint_unreached', finds: /docs\/(operations|verdicts)/ },
  { typed: 'minFaultDuration', finds: /docs\/|GLOSSARY/ },
  { typed: 'カナリア', finds: /README\.ja/ },
] as const;

/** What is wrong with the site in Chromium, one sentence each. `url` ends with the base of the site. */
export async function checkInBrowser(
  browser: Browser,
  url: string,
  pictures: string | undefined,
): Promise<string[]> {
  const failures: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1_280, 320]) {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      const page = await context.newPage();
      page.on('request', (request) => {
        if (!request.url().startsWith(url) && !request.url().startsWith('data:'))
          failures.push(`a page asks for ${request.url()}`);
      });
      page.on('pageerror', (error) => failures.push(`a script fails: ${error.message}`));
      page.on('response', (response) => {
        if (response.status() >= 400) failures.push(`${response.url()} is answered ${response.status()}`);
      });
      for (const sample of samples) {
        const name = `${sample}, ${width} px, ${colorScheme}`;
        await page.goto(`${url}${sample}`, { waitUntil: 'networkidle' });
        failures.push(...(await checkSample(page, name)));
        if (pictures !== undefined) {
          const file = `${sample.replaceAll('/', '-')}-${width}-${colorScheme}.png`;
          await page.screenshot({ path: path.join(pictures, file) });
        }
      }
      if (width > 320) failures.push(...(await checkSearch(page, url, pictures)));
      await context.close();
    }
  }
  return failures;
}

async function checkSample(page: Page, name: string): Promise<string[]> {
  const failures: string[] = [];
  const [wide, room] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  if ((wide ?? 0) > (room ?? 0)) failures.push(`${name}: ${wide} px wide in ${room} px`);
  const { violations } = await new AxeBuilder({ page }).analyze();
  for (const { id, impact, nodes } of violations) {
    if (impact === 'serious' || impact === 'critical')
      failures.push(`${name}: axe ${id}, ${nodes.length} times: ${nodes[0]?.html.slice(0, 120)}`);
  }
  return failures;
}

async function checkSearch(page: Page, url: string, pictures: string | undefined): Promise<string[]> {
  const failures: string[] = [];
  for (const { typed, finds } of searches) {
    await page.goto(`${url}index.html`, { waitUntil: 'networkidle' });
    await page.locator('#local-search button').first().click();
    await page.locator('input[type="search"]').fill(typed);
    const results = page.locator('#localsearch-list a');
    await results
      .first()
      .waitFor({ timeout: 30_000 })
      .catch(() => undefined);
    const found = await results.evaluateAll((links) =>
      links.slice(0, 5).map((link) => link.getAttribute('href') ?? ''),
    );
    if (!found.some((link) => finds.test(link)))
      failures.push(`a search for ${typed} finds ${found.join(', ') || 'nothing'}`);
    if (pictures !== undefined) await page.screenshot({ path: path.join(pictures, `search-${typed}.png`) });
    if (found.length === 0) continue;
    await results.first().click();
    await page
      .waitForFunction((word) => document.querySelector('main')?.textContent?.includes(word), typed)
      .catch(() => failures.push(`the first hit for ${typed} is a page that does not have it`));
  }
  return failures;
}
