import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseReplacedWords, replacedWordsIn } from './replaced-words.ts';

const words = parseReplacedWords(await readFile(new URL('replaced-words.txt', import.meta.url), 'utf8'));
const phrases = (text: string) => replacedWordsIn(text, words).map(({ phrase }) => phrase);

describe('the list of replaced words', () => {
  it.each([
    ['an identifier', 'const source = toldSource(inner);', 'toldSource'],
    ['an identifier of a family', 'const leastRequests = 10;', 'leastRequests'],
    ['a type', 'function pose(ask: Ask): void {}', 'Ask'],
    ['a declared type', 'export interface ShellParts {', 'interface ShellParts'],
    ['an imported type', "import { type Outlook, plan } from './plan.ts';", 'type Outlook'],
    ['a decoration', "app.decorateRequest('shed', undefined);", "'shed'"],
    ['a function', 'const respond = createAnswer(ports, metrics);', 'createAnswer'],
    ['a constant', 'commonTrouble.includes(error.code)', 'commonTrouble'],
    ['a local', 'const astray = [...services];', 'const astray'],
    ['names of lines', 'cuj: cujLine(line, clean)', 'cujLine'],
    ['a parameter', 'cuj(ask: EvaluationRequest): void', 'ask: EvaluationRequest'],
    ['a predicate', 'if (isOver(all, here)) return;', 'isOver'],
    ['a method', 'await this.#look(name)', '.#look'],
    ['a word', 'Mend the cause.', 'Mend'],
    ['a phrase', 'registry refused, the old one goes on', 'the old one goes on'],
    ['an old summary', 'stable 0 of 9; evidence 114, fails at 20', 'evidence 114, fails at'],
  ])('finds %s', (_, text, phrase) => {
    expect(phrases(text)).toContain(phrase);
  });

  it.each([
    ['prose', '> It counts\n> no more.'],
    ['a block comment', '/**\n * It counts\n * no more.\n */'],
    ['line comments', '  // It counts\n  // no more.'],
    ['YAML comments', '# It counts\n# no more.'],
  ])('finds a phrase across two lines of %s, and names the first', (_, text) => {
    const [hit] = replacedWordsIn(text, words);
    expect(hit?.line).toBe(text.split('\n').findIndex((line) => line.includes('counts')) + 1);
    expect(hit?.use).toContain('earlier errors are ignored');
  });

  it.each([
    'Ask the owner of the service.',
    'recommended, amended, at least, at most, the almost-empty window',
    'the guard stands in front of the gate',
    'evidence of 20',
    'Look at the log. Taken together, the silence is over. The type of a scene; at this stage.',
    'runs without a shell; what was shed, goes astray; go mod tidy; telling the canary from stable',
    'yaml.push(...cujLines(group, service))',
  ])('leaves %j alone', (text) => {
    expect(phrases(text)).toEqual([]);
  });

  it('refuses a line without a replacement', () => {
    expect(() => parseReplacedWords('# a comment\n\\bfoo\\b')).toThrow('line 2 is not');
  });
});
