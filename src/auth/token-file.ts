import { createHash, timingSafeEqual } from 'node:crypto';
import { FilesRefused } from '../files/watched-files.ts';

/** The tokens of a file. Only their SHA-256 digests are kept. */
export interface TokenSet {
  readonly size: number;
  /** The label of a token; undefined if it is unknown. Runs in constant time. */
  labelOf(token: string): string | undefined;
}

/** The b64token of RFC 6750: what may follow "Bearer" in a header. */
const tokenText = /^[A-Za-z0-9._~+/-]+=*$/;
/** Shorter tokens can be guessed. 16 random characters of base64 have 96 bits. */
const minCharacters = 16;
const labelText = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

interface Entry {
  readonly line: number;
  readonly label: string;
  readonly digest: Buffer;
}

/**
 * Reads one `token` or `label: token` per line. Empty lines and lines that begin with `#` are ignored. A token without a
 * label is called `token-<n>`, by its position among the tokens. Throws FilesRefused with file and line.
 */
export function readTokens(path: string, bytes: Buffer): TokenSet {
  const entries: Entry[] = [];
  const problems: string[] = [];
  const lines = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/);
  for (const [i, raw] of lines.entries()) {
    const text = raw.trim();
    if (text === '' || text.startsWith('#')) continue;
    const at = `${path}:${i + 1}:`;
    const colon = text.indexOf(':');
    const label = colon < 0 ? `token-${entries.length + 1}` : text.slice(0, colon).trimEnd();
    const token = text.slice(colon + 1).trimStart();
    if (!labelText.test(label)) {
      problems.push(
        `${at} the label before the colon is invalid: use up to 63 letters, digits, dots, dashes and underscores.`,
      );
    } else if (/\s/.test(token)) {
      problems.push(`${at} the token contains a space: write one label: token per line.`);
    } else if (token.length < minCharacters) {
      problems.push(
        `${at} the token has fewer than ${minCharacters} characters: create one with openssl rand -base64 32.`,
      );
    } else if (!tokenText.test(token)) {
      problems.push(
        `${at} the token has an invalid character: use only A-Z a-z 0-9 - . _ ~ + / and = at its end.`,
      );
    } else {
      const digest = sha256(token);
      const twin = entries.find((entry) => entry.digest.equals(digest));
      if (twin === undefined) entries.push({ line: i + 1, label, digest });
      else problems.push(`${at} the token is the same as on line ${twin.line}: keep one of them.`);
    }
  }
  if (problems.length === 0 && entries.length === 0) {
    problems.push(`${path} contains no token: write one label: token per line.`);
  }
  if (problems.length > 0) throw new FilesRefused(problems);
  return {
    size: entries.length,
    labelOf(token) {
      const digest = sha256(token);
      let label: string | undefined;
      // All tokens are compared, each in constant time.
      for (const entry of entries) if (timingSafeEqual(entry.digest, digest)) label = entry.label;
      return label;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
