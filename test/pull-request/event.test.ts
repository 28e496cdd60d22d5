import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readEvent } from '../../src/pull-request/event.ts';

function payload(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`../github-action/payloads/${name}.json`, import.meta.url), 'utf8'));
}
const [base, head] = ['b'.repeat(40), 'd'.repeat(40)];

describe('an event', () => {
  it.each([
    ['pull_request', 'pull_request.opened', { kind: 'pull-request', number: 7, base, head, isFork: false }],
    [
      'pull_request',
      'pull_request.synchronize',
      { kind: 'pull-request', number: 7, base, head, isFork: false },
    ],
    ['pull_request', 'pull_request.fork', { kind: 'pull-request', number: 7, base, head, isFork: true }],
    [
      'pull_request',
      'pull_request.fork-deleted',
      { kind: 'pull-request', number: 7, base, head, isFork: true },
    ],
    ['merge_group', 'merge_group.checks_requested', { kind: 'merge-group', base, head }],
    ['push', 'push', { kind: 'push', base, head }],
    ['push', 'push.new-branch', { kind: 'push', base: undefined, head }],
    ['schedule', 'schedule', { kind: 'other' }],
  ])('%s (%s) is read', (name, file, expected) => {
    expect(readEvent(name, payload(file))).toEqual(expected);
  });

  it('on which strangers meet secrets is refused', () => {
    expect(() => readEvent('pull_request_target', payload('pull_request.fork'))).toThrow(
      'does not run on pull_request_target',
    );
  });

  it.each([
    ['no object', null],
    ['no pull request', { number: 7 }],
    [
      'a commit that git would read as an option',
      { number: 7, pull_request: { base: { sha: '--upload-pack=x', repo: { id: 1 } }, head: { sha: head } } },
    ],
    ['a number that leads elsewhere', { ...payload('pull_request.opened'), number: '7/../../8' }],
  ])('with %s is an error that names the event', (_what, value) => {
    expect(() => readEvent('pull_request', value)).toThrow(
      /The payload of the event pull_request has no valid "/,
    );
  });
});
