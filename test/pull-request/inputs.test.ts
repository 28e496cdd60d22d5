import { describe, expect, it } from 'vitest';
import { inputVariable, readInputs } from '../../src/pull-request/inputs.ts';
import { splitWords } from '../../src/pull-request/split-words.ts';

const read = (
  inputs: Parameters<typeof inputVariable>[0] extends infer Name extends string
    ? { [name in Name]?: string }
    : never,
) =>
  readInputs(
    Object.fromEntries(
      Object.entries({ registry: 'cujs.yaml', ...inputs }).map(([name, value]) => [
        inputVariable(name as 'registry'),
        value,
      ]),
    ),
  );

describe('the inputs', () => {
  it('are lines of arguments, with the only registry where a line names none', () => {
    const result = read({
      generate: `# templates
        analysis-templates --out deploy/cuj-gate --notify '@slack-{owner} now'

        terraform --registry other.yaml --out tf`,
      rollouts: 'deploy',
    });
    expect(result).toMatchObject({
      ok: true,
      inputs: {
        registries: ['cujs.yaml'],
        generate: [
          [
            'analysis-templates',
            '--out',
            'deploy/cuj-gate',
            '--notify',
            '@slack-{owner} now',
            '--registry',
            'cujs.yaml',
          ],
          ['terraform', '--registry', 'other.yaml', '--out', 'tf'],
        ],
        rollouts: [['deploy', '--registry', 'cujs.yaml']],
        comment: true,
        backtestDays: 7,
        backtestMax: 20,
        datadog: undefined,
      },
    });
  });

  it('are refused with all problems at once, each with what to do', () => {
    const result = read({
      registry: 'a.yaml\nb.yaml',
      generate: 'analysis-templates --force --registry a.yaml --out x\nterraform --registry a.yaml\nall "x',
      rollouts: 'deploy',
      allow: 'checkout',
      comment: 'yes',
      'comment-name': 'x --> y',
      'backtest-days': '0',
      'dd-api-key': 'k',
    });
    expect(result).toEqual({
      ok: false,
      problems: [
        'generate: the quote " is not closed in the line "all \\"x".',
        expect.stringContaining('has --force'),
        expect.stringContaining('has no --out'),
        'rollouts: "deploy" names no registry, and there are several. Add --registry PATH.',
        expect.stringContaining('is not RULE:NAME'),
        'comment: "yes" is neither true nor false.',
        expect.stringContaining('comment-name: use up to 60'),
        'backtest-days: "0" is not a whole number from 1 to 90.',
        expect.stringContaining('dd-app-key: it is empty'),
      ],
    });
    expect(read({ registry: ' ' })).toMatchObject({
      problems: ['registry: give the path of a registry, such as cujs.yaml.'],
    });
  });
});

it.each([
  ['a  b\tc', ['a', 'b', 'c']],
  [`'a b'c "" "$(x)"`, ['a bc', '', '$(x)']],
  ['', []],
])('splits %j into words without expanding anything', (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
