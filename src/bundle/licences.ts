import type { BundledPackage } from './packages.ts';

/** The text that must travel with the bundle: each licence once, with the packages that it covers. */
export function licencesText(packages: readonly BundledPackage[]): string {
  const byText = new Map<string, { readonly licence: string; readonly ids: string[] }>();
  for (const { name, version, licence, licenceTexts } of packages) {
    const text = licenceTexts.map((one) => one.replaceAll('\r\n', '\n')).join('\n\n');
    const known = byText.get(text);
    if (known) known.ids.push(`${name}@${version}`);
    else byText.set(text, { licence, ids: [`${name}@${version}`] });
  }
  const parts = [...byText].map(([text, { licence, ids }]) => `${ids.join('\n')}\n(${licence})\n\n${text}\n`);
  const head = `cuj-gate is bundled with the ${packages.length} packages below, each under its own licence.\n`;
  return [head, ...parts].join(`\n${'-'.repeat(100)}\n\n`);
}
