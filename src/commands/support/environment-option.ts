import { Option } from 'commander';
import type { Io } from './io.ts';

/** `--environment`, of every command that is about one environment. */
export function environmentOption(): Option {
  return new Option(
    '--environment <name>',
    'the environment, where the registry has several (default: CUJ_GATE_ENVIRONMENT)',
  );
}

/** The environment that is chosen by the option or by CUJ_GATE_ENVIRONMENT. */
export function environmentOf(
  { environment }: { readonly environment?: string | undefined },
  { env }: Pick<Io, 'env'>,
): string | undefined {
  // An empty variable counts as not set, as for all settings.
  return environment ?? (env.CUJ_GATE_ENVIRONMENT || undefined);
}
