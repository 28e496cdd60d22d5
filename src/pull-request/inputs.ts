import { splitWords } from './split-words.ts';

/** The inputs of the action, as action.yml lists them. */
export interface ActionInputs {
  /** Paths of registries, in the order given. At least one. */
  readonly registries: readonly string[];
  /** Arguments of `cuj-gate generate`, one list for each line. */
  readonly generate: readonly (readonly string[])[];
  /** Arguments of `cuj-gate lint rollout`, one list for each line. */
  readonly rollouts: readonly (readonly string[])[];
  /** Breaking changes that are accepted, as `RULE:NAME` or `RULE:NAME@ENVIRONMENT`. */
  readonly allow: readonly string[];
  readonly environment: string | undefined;
  readonly comment: boolean;
  /** Tells the comments of several steps apart. */
  readonly commentName: string;
  readonly token: string | undefined;
  readonly datadog:
    | { readonly apiKey: string; readonly appKey: string; readonly site: string | undefined }
    | undefined;
  readonly backtestDays: number;
  readonly backtestMax: number;
}

/** The names of the inputs. action.yml has the same, and a test compares them. */
export const inputNames = [
  'registry',
  'generate',
  'rollouts',
  'allow',
  'environment',
  'comment',
  'comment-name',
  'token',
  'dd-api-key',
  'dd-app-key',
  'dd-site',
  'backtest-days',
  'backtest-max',
] as const;

type InputName = (typeof inputNames)[number];

type Env = Readonly<Record<string, string | undefined>>;

/** The variable in which the runner hands over an input. */
export function inputVariable(name: InputName): string {
  return `INPUT_${name.toUpperCase()}`;
}

export type ReadInputs =
  | { readonly ok: true; readonly inputs: ActionInputs }
  /** One sentence for each, with what to do. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the inputs from the variables of the runner, or says everything that is wrong with them. */
export function readInputs(env: Env): ReadInputs {
  const problems: string[] = [];
  const text = (name: InputName) => (env[inputVariable(name)] ?? '').trim();
  const lines = (name: InputName) =>
    text(name)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  const registries = lines('registry');
  if (registries.length === 0) problems.push('registry: give the path of a registry, such as cujs.yaml.');
  const words = (name: 'generate' | 'rollouts') =>
    lines(name).map((line) => {
      const split = splitWords(line);
      if (typeof split !== 'string') return withRegistry(split, name, registries, problems);
      problems.push(`${name}: ${split} in the line ${JSON.stringify(line)}.`);
      return [];
    });
  const generate = words('generate');
  for (const args of generate) problems.push(...generateProblems(args));
  const rollouts = words('rollouts');
  const allow = lines('allow');
  for (const line of allow) {
    if (!/^[a-z-]+:[a-z0-9_.-]+(@[a-z0-9-]+)?$/.test(line))
      problems.push(`allow: ${JSON.stringify(line)} is not RULE:NAME, such as alias-removed:checkout.`);
  }
  const comment = text('comment') || 'true';
  if (comment !== 'true' && comment !== 'false')
    problems.push(`comment: ${JSON.stringify(comment)} is neither true nor false.`);
  const commentName = text('comment-name');
  if (!/^[A-Za-z0-9 _.-]{0,60}$/.test(commentName) || commentName.includes('--'))
    problems.push(
      'comment-name: use up to 60 letters, digits, spaces, and _ . - without two dashes in a row.',
    );
  const whole = (name: InputName, most: number, otherwise: number) => {
    const given = text(name);
    if (given === '') return otherwise;
    if (/^[1-9]\d{0,2}$/.test(given) && Number(given) <= most) return Number(given);
    problems.push(`${name}: ${JSON.stringify(given)} is not a whole number from 1 to ${most}.`);
    return otherwise;
  };
  const backtestDays = whole('backtest-days', 90, 7);
  const backtestMax = whole('backtest-max', 500, 20);
  const [apiKey, appKey] = [text('dd-api-key'), text('dd-app-key')];
  // Pull requests of forks get no secrets: then both are empty. One alone is a mistake.
  if ((apiKey === '') !== (appKey === ''))
    problems.push(
      `${apiKey === '' ? 'dd-api-key' : 'dd-app-key'}: it is empty, and the other key is given. backtest needs both.`,
    );
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    inputs: {
      registries,
      generate,
      rollouts,
      allow,
      environment: text('environment') || undefined,
      comment: comment === 'true',
      commentName,
      token: text('token') || undefined,
      datadog: apiKey === '' ? undefined : { apiKey, appKey, site: text('dd-site') || undefined },
      backtestDays,
      backtestMax,
    },
  };
}

function generateProblems(args: readonly string[]): readonly string[] {
  const shown = JSON.stringify(args.join(' '));
  if (args.length > 0 && optionOf(args, '--out') === undefined)
    return [`generate: ${shown} has no --out, the folder with the committed files.`];
  const refused = args.find((arg) => /^--(?:check|json|force|measure-traffic)$/.test(arg));
  return refused === undefined
    ? []
    : [`generate: ${shown} has ${refused}. The action only compares, and adds --check itself.`];
}

/** With the only registry, where a line names none. */
function withRegistry(
  args: readonly string[],
  name: string,
  registries: readonly string[],
  problems: string[],
): readonly string[] {
  if (optionOf(args, '--registry') !== undefined) return args;
  const [only, ...others] = registries;
  if (others.length > 0)
    problems.push(
      `${name}: ${JSON.stringify(args.join(' '))} names no registry, and there are several. Add --registry PATH.`,
    );
  return only === undefined ? args : [...args, '--registry', only];
}

/** The value of an option, as `--name value` or `--name=value`. */
export function optionOf(args: readonly string[], name: string): string | undefined {
  return optionsOf(args, name)[0];
}

export function optionsOf(args: readonly string[], name: string): readonly string[] {
  return args.flatMap((arg, index) => {
    if (arg.startsWith(`${name}=`)) return [arg.slice(name.length + 1)];
    const next = args[index + 1];
    return arg === name && next !== undefined ? [next] : [];
  });
}
