import { Command } from 'commander';
import { RegistrySchema } from '../domain/registry/schema.ts';
import { exitCodes, type Io } from './support/io.ts';

/** `cuj-gate schema`. */
export function schemaCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('schema').action(() => {
    io.stdout.write(schemaText());
    exit(exitCodes.good);
  });
}

/** The registry's JSON Schema, the content of config/registry.schema.json. */
export function schemaText(): string {
  return `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...RegistrySchema }, null, 2)}\n`;
}
