/** The chart of docs/rollout-simulation.md: how the rollouts of every release end, by the size of the app. */
import { font, ink, round, text } from '../simulate/chart.ts';
import { releases } from './releases.ts';
import type { Results } from './tally.ts';

const width = 760;
const bar = { left: 130, right: 690, height: 14, gap: 5 };

export function rolloutsChart({ sizes }: Results): string {
  const groups = releases.flatMap(({ id, name }) => {
    const of = sizes.filter(({ release }) => release === id);
    return of.length === 0 ? [] : [{ name, of }];
  });
  const parts: string[] = [];
  let y = 84;
  for (const { name, of } of groups) {
    parts.push(text(24, y, name, ' font-weight="600"'));
    y += 10;
    for (const { requestsPerSecond, tally } of of) {
      parts.push(
        text(bar.left - 10, y + 11, `${requestsPerSecond.toLocaleString('en')}/s`, ' text-anchor="end"'),
      );
      let x = bar.left;
      for (const [end, colour] of [
        ['promoted', ink.pass],
        ['aborted', ink.fail],
        ['paused', ink.grid],
      ] as const) {
        const span = ((bar.right - bar.left) * tally[end]) / tally.runs;
        if (span > 0)
          parts.push(
            `<rect x="${round(x)}" y="${y}" width="${round(span)}" height="${bar.height}" fill="${colour}"/>`,
          );
        x += span;
      }
      const percent = Math.round((100 * tally.promoted) / tally.runs);
      parts.push(text(bar.right + 8, y + 11, `${percent}%`, ` fill="${ink.faint}"`));
      y += bar.height + bar.gap;
    }
    y += 20;
  }
  const legend = [
    ['promoted without a person', ink.pass],
    ['aborted', ink.fail],
    ['waits for a person', ink.grid],
  ] as const;
  const keys = legend.map(([words, colour], i) => {
    const x = 24 + i * 210;
    return `<rect x="${x}" y="44" width="14" height="14" fill="${colour}"/>${text(x + 20, 56, words)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="How rollouts end, by release and by the requests per second of the app" ${font} fill="${ink.text}">
<rect width="${width}" height="${y}" rx="8" fill="${ink.paper}"/>
${text(24, 28, 'How rollouts end', ' font-size="15" font-weight="600"')}${text(bar.right + 48, 56, 'promoted', ` text-anchor="end" fill="${ink.faint}"`)}
${[...keys, ...parts].join('\n')}
</svg>
`;
}
