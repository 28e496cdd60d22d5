import { Command, InvalidArgumentError, Option } from 'commander';
import { type DemoMinute, demoVersion, play } from '../demo/play.ts';
import { type PrometheusProgram, prometheusPrograms } from '../demo/prometheus/program.ts';
import { anyRegistryOf } from '../domain/registry/model.ts';
import { colorsFor } from './render/colors.ts';
import { ending, fold, minuteLines, storyLines } from './render/demo-story.ts';
import { defaultSeed } from './support/demo-datadog.ts';
import { exampleRegistry, openExample } from './support/demo-example.ts';
import {
  interrupted,
  programCall,
  randomKeys,
  simulatorSource,
  startDemoGate,
  watchLine,
} from './support/demo-gate.ts';
import { demoOwnPrometheus } from './support/demo-own-prometheus.ts';
import { demoPrometheus } from './support/demo-prometheus.ts';
import { demoOwnRegistry } from './support/demo-registry.ts';
import { environmentOf, environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';

interface Options {
  readonly registry?: string;
  readonly environment?: string;
  readonly break?: string;
  readonly prometheus?: PrometheusProgram;
  readonly once?: boolean;
  readonly port: number;
  readonly seed: number;
}

/** Before anything else, so that nobody waits in front of nothing. */
const firstLine = 'Simulating a month of traffic first. This takes seconds, or a minute on a busy machine.';

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
      "with --registry: what fails on the canary: a CUJ (its last endpoint), an endpoint as the registry writes it, 'view NAME' or 'action NAME' of a client, or none (default: the first CUJ)",
    )
    .addOption(
      new Option(
        '--prometheus [program]',
        'with a real Prometheus (or victoria-metrics) on this machine in place of the simulator',
      )
        .choices(prometheusPrograms)
        .preset('prometheus'),
    )
    .option('--once', 'exit after the verdict')
    .option('--port <port>', 'port to listen on (0: any free port)', portArgument, 8080)
    .option('--seed <number>', 'seed of the random traffic', seedArgument, defaultSeed)
    .addHelpText(
      'after',
      `
Examples:
  cuj-gate demo
  cuj-gate demo --prometheus
  cuj-gate demo --registry cujs.yaml
  cuj-gate demo --prometheus --registry cujs.yaml
  cuj-gate demo --registry cujs.yaml --break 'POST /api/v1/login' --once
  cuj-gate demo --registry cujs.yaml --break 'view /signup' --once`,
    )
    .action(async (options: Options) => {
      const { registry, prometheus } = options;
      if (registry !== undefined) {
        const own = { ...options, registry, environment: environmentOf(options, io) };
        return exit(
          prometheus === undefined
            ? await demoOwnRegistry(io, own)
            : await demoOwnPrometheus(io, { ...own, prometheus }),
        );
      }
      if (options.break !== undefined) {
        io.stderr.write('cuj-gate demo: --break requires --registry.\n');
        return exit(exitCodes.misuse);
      }
      exit(
        prometheus === undefined
          ? await demo(io, options)
          : await demoPrometheus(io, { ...options, prometheus }),
      );
    });
}

async function demo(io: Io, options: Options): Promise<number> {
  const colors = colorsFor(io);
  const say = (line = '') => void io.stdout.write(`${fold(line, io.stdout.columns || undefined)}\n`);
  const keys = randomKeys();
  say(firstLine);
  const world = await openExample(options.seed, keys);
  const opened = await startDemoGate(io, {
    source: simulatorSource(world.datadog, keys),
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
    for (const line of storyLines(cujs.length, colors)) say(line);
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
    io.stdout.write(`  ${programCall(io)} report --demo\n`);
    await interrupted();
    return exitCodes.good;
  } finally {
    await close();
    await world.datadog.stop();
  }
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
