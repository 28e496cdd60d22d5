import { stripVTControlCharacters } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import type { ArgoMeasurement } from '../demo/argo-caller.ts';
import { type DemoMinute, demoVersion, play } from '../demo/play.ts';
import { totalErrorRateLimit } from '../demo/total-error-rate.ts';
import { anyRegistryOf } from '../domain/registry/model.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { defaultSeed } from './support/demo-datadog.ts';
import { exampleRegistry, openExample } from './support/demo-example.ts';
import { interrupted, randomKeys, startDemoGate, watchLine } from './support/demo-gate.ts';
import { demoOwnRegistry } from './support/demo-registry.ts';
import { environmentOf, environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';

interface Options {
  readonly registry?: string;
  readonly environment?: string;
  readonly break?: string;
  readonly once?: boolean;
  readonly port: number;
  readonly seed: number;
}

/** How long 10 simulated seconds take on a terminal, in ms: slow enough to watch on a page. */
const bucketOnTerminalMs = 1_000;

function portArgument(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return port;
}

function seedArgument(text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new InvalidArgumentError('A seed is a whole number from 0 to 999999999.');
  return Number(text);
}

/** `cuj-gate demo`: catches a broken canary while the total error rate is fine. Exit code 0: the canary was caught. */
export function demoCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('demo')
    .description(
      'Run the gate with a Datadog simulator, a day of simulated traffic, and a canary that breaks one small endpoint of ' +
        'one CUJ. Needs no account and no network. Runs until Ctrl-C, so that you can query it with curl.',
    )
    .option('--registry <path>', 'your own registry; traffic is simulated for its endpoints')
    .addOption(environmentOption())
    .option(
      '--break <what>',
      "with --registry: the CUJ (its last endpoint) or endpoint that fails on the canary, or none (default: the first CUJ's)",
    )
    .option('--once', 'exit after the verdict')
    .option('--port <port>', 'port to listen on (0: any free port)', portArgument, 8080)
    .option('--seed <number>', 'seed of the random traffic', seedArgument, defaultSeed)
    .addHelpText(
      'after',
      `
Examples:
  cuj-gate demo
  cuj-gate demo --registry cujs.yaml
  cuj-gate demo --registry cujs.yaml --break 'POST /api/v1/login' --once`,
    )
    .action(async (options: Options) => {
      const { registry } = options;
      if (registry !== undefined)
        return exit(
          await demoOwnRegistry(io, { ...options, registry, environment: environmentOf(options, io) }),
        );
      if (options.break !== undefined) {
        io.stderr.write('cuj-gate demo: --break requires --registry.\n');
        return exit(exitCodes.misuse);
      }
      exit(await demo(io, options));
    });
}

async function demo(io: Io, options: Options): Promise<number> {
  const colors = colorsFor(io);
  const say = (line = '') => void io.stdout.write(`${fold(line, io.stdout.columns || undefined)}\n`);
  const keys = randomKeys();
  if (io.stderr.isTTY === true) io.stderr.write('Simulating a month of traffic takes a few seconds.\n');
  const world = await openExample(options.seed, keys);
  const opened = await startDemoGate(io, world.datadog, {
    keys,
    registry: exampleRegistry,
    port: options.once === true ? 0 : options.port,
    now: () => world.clock.nowMs,
  });
  if (opened === undefined) {
    await world.datadog.stop();
    return exitCodes.misuse;
  }
  const { gate, url, close } = opened;
  try {
    const cujs = [...anyRegistryOf(gate.registry.current().registries).cujs.keys()];
    say(colors.bold('A matching app releases v1.42.0: 25% of the traffic goes to the canary.'));
    say('Its last step of sign-up now fails for one member in five, and sign-up is 1% of all traffic.');
    say(
      `A plain analysis aborts when the canary's total error rate exceeds ${percentage(totalErrorRateLimit)}. The gate judges ${cujs.length} CUJs.`,
    );
    say(colors.dim('(+ pass, ? inconclusive, x fail; one simulated minute per line)'));
    if (options.once !== true) say(watchLine(url));
    say();
    const onTerminal = io.stdout.isTTY === true && options.once !== true;
    const pause = () =>
      onTerminal
        ? new Promise<void>((resolve) => void setTimeout(resolve, bucketOnTerminalMs))
        : Promise.resolve();
    let last: DemoMinute | undefined;
    for await (const minute of play(world, url, cujs, keys, pause)) {
      for (const line of minuteLines(minute, colors)) say(line);
      last = minute;
    }
    const caught = last?.ended?.phase === 'Failed' && last.total.fine;
    for (const line of ending(last, colors)) say(line);
    if (options.once === true) return caught ? exitCodes.good : exitCodes.no;
    say('The page of this verdict:');
    io.stdout.write(`  ${url}/cujs/signup/status?version=${demoVersion}\n`);
    say('Query the gate yourself; simulated time is stopped. Ctrl-C to exit:');
    // Not folded, so that they can be copied.
    for (const line of curls(url)) io.stdout.write(`  ${line}\n`);
    say('The error budgets of the CUJs, in another terminal:');
    io.stdout.write(`  ${reportCall(io)}\n`);
    await interrupted();
    return exitCodes.good;
  } finally {
    await close();
    await world.datadog.stop();
  }
}

/** A space at which lines are not folded. */
const together = '\u00a0';
/** The indentation of folded lines: aligns with the names of the CUJs. */
const hanging = ' '.repeat(13);

/** Folds a line between words to the width of the terminal. Without a terminal lines stay whole, for grep. */
function fold(line: string, columns = Number.POSITIVE_INFINITY): string {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(/(?<=\S)(?= )/)) {
    if (current !== '' && stripVTControlCharacters(current + word).length > columns) {
      lines.push(current);
      current = `${hanging}${word.trimStart()}`;
    } else current += word;
  }
  return [...lines, current].join('\n').replaceAll(together, ' ');
}

function percentage(ratio: number): string {
  return `${(ratio * 100).toFixed(3).replace(/0+$/, '').replace(/\.$/, '')}%`;
}

const marks = { Successful: '+', Inconclusive: '?', Failed: 'x', Error: '!' } as const;

function minuteLines(minute: DemoMinute, colors: Colors): string[] {
  const time = new Date(minute.atMs).toISOString().slice(11, minute.seconds % 60 === 0 ? 16 : 19);
  const { requests, ratio, fine } = minute.total;
  const total =
    requests === 0
      ? 'no canary request is visible yet'
      : `${percentage(ratio)} of ${requests} canary requests failed: ${fine ? colors.green('fine') : colors.red('above the limit')}`;
  const mark = ({ metric, phase }: ArgoMeasurement) => {
    const text = `${marks[phase]}${together}${metric.replace(/^cuj-/, '')}`;
    if (phase === 'Successful') return colors.green(text);
    return phase === 'Inconclusive' ? colors.yellow(text) : colors.red(text);
  };
  return [
    `${colors.bold(time)}  total error rate  ${total}`,
    `       CUJs  ${minute.measurements.map(mark).join('  ')}`,
  ];
}

function sinceBegin(seconds: number): string {
  return seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} s`;
}

function ending(last: DemoMinute | undefined, colors: Colors): string[] {
  if (last?.ended === undefined) return ['', 'The demo ended without a verdict.'];
  const failed = last.measurements.filter(({ phase }) => phase === 'Failed');
  return [
    '',
    `What the total error rate says   ${colors.green('fine')}: ${percentage(last.total.ratio)} of ${last.total.requests} requests failed, the limit is ${percentage(totalErrorRateLimit)}`,
    ...failed.map(({ value }) => `What cuj-gate says               ${colors.red(value)}`),
    `What Argo Rollouts does          ${last.ended.message}: the rollout is aborted ${sinceBegin(last.seconds)} after it began`,
    '',
  ];
}

/** The command to paste: a fresh clone that runs `npm run demo` has no `cuj-gate` on its path. */
function reportCall({ env }: Io): string {
  const program = env.npm_lifecycle_event === 'demo' ? 'npm run --silent cuj-gate --' : 'cuj-gate';
  return `${program} report --demo`;
}

function curls(url: string): string[] {
  return [
    `curl '${url}/cujs/signup/status?version=${demoVersion}&pretty'`,
    `curl '${url}/services/member-api/status?version=${demoVersion}&pretty'`,
    `curl '${url}/cujs/login/status?version=v9.9.9&pretty'     # a version that does not exist`,
    `curl '${url}/cujs/signup?pretty'                           # the CUJ and its exact Datadog queries`,
    `curl '${url}/metrics'`,
  ];
}
