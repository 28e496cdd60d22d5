/**
 * Where people read docs/ of this repository, if nobody says it. There is no public copy yet. `example.com` belongs to nobody, so that
 * nobody can put other instructions there.
 */
export const defaultDocsUrl = 'https://docs.example.com/cuj-gate';

/** The section that says what to do about an alert. `docsUrl` has no trailing slash. */
export function runbookUrl(docsUrl: string, alert: string): string {
  return `${docsUrl}/operations.md#${alert.toLowerCase()}`;
}
