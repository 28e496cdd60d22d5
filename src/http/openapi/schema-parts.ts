import Type, { type TObjectOptions, type TProperties } from 'typebox';

/** An object with these members and no others. */
export function Closed<P extends TProperties>(properties: P, options: TObjectOptions = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** One of these texts. */
export const literals = <const T extends readonly string[]>(values: T, description?: string) =>
  Type.Enum<[...T]>([...values], { type: 'string', ...(description === undefined ? {} : { description }) });
