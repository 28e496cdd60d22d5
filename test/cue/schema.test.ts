import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { registryFixtures } from './registry-fixtures.ts';

// The real cue judges config/schema.cue by the same fixtures in the end-to-end run (scenario `cue`).
const published = new URL('../../config/registry.schema.json', import.meta.url);
const validate = new Ajv2020({ strict: true, strictTypes: false }).compile(
  JSON.parse(readFileSync(published, 'utf8')),
);

const fixtures = registryFixtures();

describe('the published JSON Schema', () => {
  it.each(fixtures.filter(({ accepted }) => accepted))('accepts $what', ({ registry }) => {
    expect(validate(registry), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each(fixtures.filter(({ accepted }) => !accepted))('refuses $what', ({ registry }) => {
    expect(validate(registry)).toBe(false);
  });
});

describe('the fixtures', () => {
  it('each have a sentence of their own', () => {
    expect(new Set(fixtures.map(({ what }) => what)).size).toBe(fixtures.length);
  });
});
