import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commentText,
  isWorthAComment,
  markerOf,
  maxCommentLength,
  maxSummaryBytes,
  type PullRequestReport,
  summaryText,
} from '../../src/pull-request/comment.ts';
import type { PullRequestFinding } from '../../src/pull-request/finding.ts';
import { code, codeBlock } from '../../src/pull-request/markdown.ts';

const empty: PullRequestReport = {
  checks: [{ what: 'registry `cujs.yaml`', result: 'nothing found', outcome: 'passed' }],
  findings: [],
  registries: [{ path: 'cujs.yaml', note: 'Nothing: it is unchanged.', items: [] }],
  generatedFiles: [],
  differences: [],
  notes: [],
  head: 'd'.repeat(40),
  base: 'b'.repeat(40),
  runUrl: 'https://github.com/example/shop/actions/runs/12',
};

const finding = (message: string): PullRequestFinding => ({
  severity: 'error',
  file: 'cujs.yaml',
  line: 1,
  column: 1,
  rule: 'unknown-key',
  message,
  fix: 'Remove it.',
});

/** The text without its blocks and spans of code, as GitHub delimits them. */
function outsideCode(markdown: string): string {
  return markdown
    .replace(/^ *(`{3,})[a-z]*\n[\s\S]*?\n *\1$/gm, 'BLOCK')
    .replace(/(?<!`)(`+)(?!`)([\s\S]*?)(?<!`)\1(?!`)/g, 'SPAN');
}

const hostile = [
  '@example/everyone look',
  '<img src=x onerror=alert(1)>',
  '</details><h1>All checks passed</h1>',
  '```\n# out of the block @you\n```',
  '` @you `',
  '[click](https://evil.example)',
  'fixes #1, example/other#2',
  '<!-- cuj-gate pull request -->',
  '\u202e@reversed',
];

describe('text of others', () => {
  it.each(hostile)('%j is only in code', (text) => {
    const report: PullRequestReport = {
      ...empty,
      findings: [finding(text)],
      registries: [
        {
          path: text,
          note: '',
          items: [{ title: `**added** ${code(text)}`, details: [code(text)] }],
        },
      ],
      generatedFiles: [{ file: text, what: 'changed' }],
      differences: [{ file: text, diff: `-${text}\n+${text}` }],
    };
    const outside = outsideCode(commentText(report, ''));
    expect(outside.replace(/^<!-- cuj-gate pull request -->\n/, '')).not.toMatch(
      /@|<(?!\/?(?:details|summary|sub)>)|\]\(https:\/\/evil|#\d|example\/other|<!--|\u202e/,
    );
    expect(outside.match(/<\/details>/g)).toHaveLength(2);
  });

  it('never ends its span or its block', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('`', ' ', 'a', '\n', '~', '@') }), (text) => {
        expect(outsideCode(code(text))).toBe('SPAN');
        expect(outsideCode(codeBlock(text))).toBe('BLOCK');
      }),
    );
  });
});

describe('the comment', () => {
  it('begins with its marker, which a name makes another one', () => {
    expect(commentText(empty, '').split('\n')[0]).toBe('<!-- cuj-gate pull request -->');
    expect(commentText(empty, 'app').split('\n')[0]).toBe(markerOf('app'));
    expect(markerOf('app')).not.toBe(markerOf(''));
  });

  it('is only made where there is something to say', () => {
    expect(isWorthAComment(empty)).toBe(false);
    expect(isWorthAComment({ ...empty, findings: [finding('x')] })).toBe(true);
    const items = [{ title: '**added** `x`', details: [] }];
    expect(isWorthAComment({ ...empty, registries: [{ path: 'a', note: '', items }] })).toBe(true);
  });

  it.each([
    [
      'findings',
      { findings: Array.from({ length: 3_000 }, (_, at) => finding(`problem ${at} ${'x'.repeat(900)}`)) },
    ],
    [
      'differences',
      { differences: Array.from({ length: 900 }, (_, at) => ({ file: `${at}`, diff: 'y'.repeat(9_000) })) },
    ],
    [
      'changes',
      {
        registries: Array.from({ length: 60 }, (_, at) => ({
          path: `${at}.yaml`,
          note: '',
          items: Array.from({ length: 20 }, () => ({
            title: code('z'.repeat(290)),
            details: Array(20).fill(code('z'.repeat(290))),
          })),
        })),
      },
    ],
  ] as const)('fits GitHub with thousands of %s, and says where the rest is', (_what, much) => {
    const report = { ...empty, ...(much as Partial<PullRequestReport>) };
    const text = commentText(report, '');
    expect(text.length).toBeLessThanOrEqual(maxCommentLength);
    expect(text).toContain(report.runUrl);
    expect(Buffer.byteLength(summaryText(report, ''))).toBeLessThanOrEqual(maxSummaryBytes);
  });
});
