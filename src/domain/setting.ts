/** What a setting of the environment is: its documentation, and how its text is read. Settings of the gate are in src/settings, those of a backend in its folder. */
export interface Setting<T = unknown> {
  /** The default as text; undefined where there is none. */
  readonly default: string | undefined;
  readonly description: string;
  readonly read: (text: string) => Read<T>;
  /** Its value is never shown, and `<name>_FILE` may name a file with it. */
  readonly secret?: true;
  /** `serve` and `evaluate` cannot do without it; of a backend: where that backend measures anything. */
  readonly required?: true;
}

/** The result of reading a setting: the value, or what is wrong, as the end of a sentence (`is not …`). */
export type Read<T> = { readonly value: T } | { readonly wrong: string };

/** Settings by name, in the order of the documentation. */
export type SettingRows = Readonly<Record<string, Setting>>;

type ValueOf<S extends Setting> = Exclude<ReturnType<S['read']>, { wrong: string }>['value'];

/** The values of some rows; undefined where one is not set, or is wrong, which is reported already. */
export type ValuesOf<Rows extends SettingRows> = {
  readonly [N in keyof Rows]: ValueOf<Rows[N]> | undefined;
};

export function keyText(text: string): Read<string> {
  // The characters of an HTTP header. A line break within a key means that the file has two keys.
  return /^[\x21-\x7e]{1,200}$/.test(text)
    ? { value: text }
    : { wrong: 'is not a key (at most 200 printable characters without a space)' };
}

/** Kubernetes' tokens have about a thousand characters. */
export function tokenText(text: string): Read<string> {
  return /^[\x21-\x7e]{1,8000}$/.test(text)
    ? { value: text }
    : { wrong: 'is not a token (at most 8000 printable characters without a space)' };
}

export function anyText(text: string): Read<string> {
  return { value: text };
}

export function oneOf<const T extends string>(known: readonly T[]): (text: string) => Read<T> {
  return (text) =>
    (known as readonly string[]).includes(text)
      ? { value: text as T }
      : { wrong: `is not one of ${known.join(', ')}` };
}

export function baseUrl(example: string): (text: string) => Read<string> {
  return (text) => {
    if (!URL.canParse(text)) return { wrong: `is not a URL such as ${example}` };
    const { protocol, username, password, search, hash, origin, pathname } = new URL(text);
    if (protocol !== 'http:' && protocol !== 'https:') return { wrong: 'is not an http or https URL' };
    if (username !== '' || password !== '') return { wrong: 'must not contain a user name or password' };
    if (search !== '' || hash !== '') return { wrong: 'must not contain a query or a fragment' };
    return { value: `${origin}${pathname.replace(/\/+$/, '')}` };
  };
}
