import { exampleRegistry, openExample } from './demo-example.ts';
import { randomKeys } from './demo-gate.ts';
import { openOwnRegistry } from './demo-registry.ts';
import { environmentOf } from './environment-option.ts';
import type { Io } from './io.ts';

/** The seed of `cuj-gate demo` unless told. */
export const defaultSeed = 1;

/** A simulated Datadog for one command. */
export interface DemoDatadog {
  /** The environment that names it and the registry. */
  readonly env: Io['env'];
  /** Its clock, epoch ms. */
  readonly now: () => number;
  stop(): Promise<void>;
}

/** Starts the Datadog of `cuj-gate demo`, with the example registry or the user's. */
export async function openDemo(
  io: Io,
  chosen: { readonly registry?: string; readonly environment?: string },
): Promise<DemoDatadog | undefined> {
  const { registry } = chosen;
  const environment = environmentOf(chosen, io);
  const keys = randomKeys();
  const envOf = (url: string, path: string) => ({
    DD_URL: url,
    DD_API_KEY: keys.apiKey,
    DD_APP_KEY: keys.appKey,
    CUJ_GATE_REGISTRY: path,
  });
  if (registry !== undefined) {
    const own = await openOwnRegistry(io, { registry, environment, seed: defaultSeed }, keys);
    if (own === undefined) return undefined;
    return {
      env: { ...envOf(own.datadog.url, registry), CUJ_GATE_ENVIRONMENT: environment },
      now: io.now,
      stop: () => own.stop(),
    };
  }
  const { datadog, clock } = await openExample(defaultSeed, keys);
  return {
    env: envOf(datadog.url, exampleRegistry),
    now: () => clock.nowMs,
    stop: () => datadog.stop(),
  };
}
