import { expect, test } from 'vitest';
import { type Answer, spoil } from './faults.ts';

test('an answer that lacks series says so, whatever else is wrong with it', () => {
  const answer: Answer = { status: 'success', data: { resultType: 'matrix', result: [] } };
  spoil(answer, { kind: 'half_of_the_series', word: 'warnings' }, () => 1);
  spoil(answer, { kind: 'remarks' }, () => 1);
  expect(answer.warnings).toEqual([
    'No StoreAPIs matched for this query',
    expect.stringMatching(/^PromQL info: /),
  ]);
});
