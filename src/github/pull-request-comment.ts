import { setTimeout as delay } from 'node:timers/promises';

/** Where the comment goes, and as whom. */
export interface CommentTarget {
  /** Of the REST API, such as https://api.github.com. */
  readonly apiUrl: string;
  /** `owner/name`. */
  readonly repository: string;
  /** Of the pull request. */
  readonly number: number;
  readonly token: string;
}

export type CommentResult =
  | { readonly ok: true; readonly did: 'created' | 'updated' | 'unchanged'; readonly url: string | undefined }
  | { readonly ok: true; readonly did: 'nothing' }
  /** A sentence for people, without text of others. */
  | { readonly ok: false; readonly why: string };

interface Comment {
  readonly id: number;
  readonly body: string;
  readonly author: string;
  readonly isBot: boolean;
  readonly url: string | undefined;
}

/** 100 comments each. */
const maxPages = 50;
const maxAttempts = 3;
const timeoutMs = 20_000;

/** An answer that is no success. */
class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Writes the one comment that begins with `marker`: updates it where it is there and differs, creates it where it is not and
 * `create` is set. Only a comment of the token's own author is updated: anybody may write the marker into a comment of theirs.
 * Never throws for what GitHub answers.
 */
export async function writeComment(
  target: CommentTarget,
  { marker, body, create }: { readonly marker: string; readonly body: string; readonly create: boolean },
  sleep: (ms: number) => Promise<unknown> = delay,
): Promise<CommentResult> {
  const api = apiOf(target, sleep);
  const comments = `/repos/${target.repository}/issues/${target.number}/comments`;
  try {
    const own = await ownComment(api, comments, marker);
    if (own === undefined) {
      if (!create) return { ok: true, did: 'nothing' };
      return { ok: true, did: 'created', url: (await api('POST', comments, { body })).comment?.url };
    }
    // GitHub may change line breaks and blanks at the end.
    if (own.body.replaceAll('\r\n', '\n').trim() === body.trim())
      return { ok: true, did: 'unchanged', url: own.url };
    await api('PATCH', `/repos/${target.repository}/issues/comments/${own.id}`, { body });
    return { ok: true, did: 'updated', url: own.url };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { ok: false, why: error.message };
  }
}

async function ownComment(api: Api, comments: string, marker: string): Promise<Comment | undefined> {
  const ofPeople: Comment[] = [];
  for (let page = 1; page <= maxPages; page += 1) {
    const { list } = await api('GET', `${comments}?per_page=100&page=${page}`);
    const marked = list.filter(
      ({ body }) => body.startsWith(`${marker}\n`) || body.startsWith(`${marker}\r\n`),
    );
    // The token of a workflow cannot ask who it is; what it writes is written by a bot, and people are none.
    const byBot = marked.find(({ isBot }) => isBot);
    if (byBot !== undefined) return byBot;
    ofPeople.push(...marked);
    if (list.length < 100) break;
  }
  if (ofPeople.length === 0) return undefined;
  try {
    const { login } = await api('GET', '/user');
    return ofPeople.find(({ author }) => author === login);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return undefined;
    throw error;
  }
}

interface Answer {
  readonly list: readonly Comment[];
  readonly comment: Comment | undefined;
  readonly login: string | undefined;
}

type Api = (method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown) => Promise<Answer>;

function apiOf({ apiUrl, token }: CommentTarget, sleep: (ms: number) => Promise<unknown>): Api {
  return async (method, path, body) => {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await call(method, `${apiUrl.replace(/\/+$/, '')}${path}`, token, body);
      if (answer instanceof ApiError) {
        const mayHelp = answer.status === 429 || answer.status >= 500 || answer.status === 0;
        // A comment that was written although the answer was lost must not be written twice.
        if (!mayHelp || attempt === maxAttempts || (method === 'POST' && answer.status !== 429)) throw answer;
        await sleep(1_000 * 2 ** attempt);
        continue;
      }
      const value = parsed(answer);
      if (value === undefined) throw new ApiError(200, 'GitHub answered with something that is not JSON.');
      return {
        list: Array.isArray(value) ? value.flatMap((one) => commentOf(one) ?? []) : [],
        comment: commentOf(value),
        login: typeof member(value, 'login') === 'string' ? (member(value, 'login') as string) : undefined,
      };
    }
  };
}

async function call(method: string, url: string, token: string, body: unknown): Promise<string | ApiError> {
  try {
    const response = await fetch(url, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${token}`,
        'x-github-api-version': '2022-11-28',
        'user-agent': 'cuj-gate',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.ok) return text;
    const { status } = response;
    if (status === 401) return new ApiError(status, 'GitHub does not accept the token (401).');
    if (status === 403 || status === 404)
      return new ApiError(status, `the token may not write comments (${status}).`);
    return new ApiError(status, `GitHub answered with ${status}.`);
  } catch (error) {
    const name = (error as Error).name;
    return new ApiError(
      0,
      name === 'TimeoutError' ? 'GitHub did not answer in time.' : 'GitHub cannot be reached.',
    );
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function commentOf(value: unknown): Comment | undefined {
  const [id, body, user, url] = [
    member(value, 'id'),
    member(value, 'body'),
    member(value, 'user'),
    member(value, 'html_url'),
  ];
  if (!Number.isSafeInteger(id)) return undefined;
  return {
    id: id as number,
    body: typeof body === 'string' ? body : '',
    author: String(member(user, 'login') ?? ''),
    isBot: member(user, 'type') === 'Bot',
    url: typeof url === 'string' && /^https?:\/\/[^\s<>()`]+$/.test(url) ? url : undefined,
  };
}
