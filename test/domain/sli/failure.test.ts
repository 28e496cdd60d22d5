import { describe, expect, it } from 'vitest';
import { failsAlways, failureIn, failureOf, joinedTexts } from '../../../src/domain/sli/failure.ts';

describe('definitions of failure', () => {
  it.each([
    ['5xx', '5xx'],
    [['5xx'], '5xx'],
    [['5xx', 503], '5xx'],
    [[401, '5xx', 429, 401], '5xx, 401, 429'],
    [['4xx', '5xx', 404], '5xx, 4xx'],
    [[429], '429'],
    ['grpc', 'grpc'],
    [
      { grpc: ['DATA_LOSS', 'INTERNAL', 'UNKNOWN', 'UNIMPLEMENTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'] },
      'grpc',
    ],
    [{ grpc: ['UNAVAILABLE', 'INTERNAL', 'INTERNAL'] }, 'grpc INTERNAL, UNAVAILABLE'],
    ['errors', 'errors'],
  ] as const)('%j reads %s, whatever the order', (document, text) => {
    expect(failureOf(document).text).toBe(text);
  });

  it('makes the statuses of gRPC that are the fault of the server a failure, and no others', () => {
    expect(failureOf('grpc').by).toEqual({ kind: 'grpc', codes: [2, 4, 12, 13, 14, 15] });
  });

  it('keeps no code beside the class that has it', () => {
    expect(failureOf([500, '5xx', 401]).by).toEqual({ kind: 'http', classes: [5], codes: [401] });
  });

  it('takes the most specific one, and drops what comes to the default', () => {
    const [fine, all, errors] = [failureOf('5xx'), failureOf(['5xx']), failureOf('errors')];
    expect(failureIn(undefined, errors, fine)).toEqual({ failure: errors });
    expect(failureIn(fine, errors, undefined)).toEqual({});
    expect(failureIn(undefined, all)).toEqual({});
    expect(failureIn(undefined, undefined)).toEqual({});
  });

  it('knows where nothing is good', () => {
    expect(failsAlways(failureOf(['1xx', '2xx', '3xx', '4xx', '5xx']))).toBe(true);
    expect(failsAlways(failureOf(['2xx', '3xx', '4xx', '5xx']))).toBe(false);
    expect(failsAlways(failureOf('errors'))).toBe(false);
    expect(failsAlways(failureOf({ grpc: ['OK', 'INTERNAL'] }))).toBe(true);
    expect(failsAlways(failureOf('grpc'))).toBe(false);
  });

  it('joins what counts on several endpoints, and says nothing of the default', () => {
    expect(joinedTexts([undefined, undefined])).toBeUndefined();
    expect(joinedTexts([undefined, 'errors', undefined])).toBe('5xx; errors');
    expect(joinedTexts([])).toBeUndefined();
  });
});
