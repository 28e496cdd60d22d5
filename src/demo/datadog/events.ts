import { Rejection } from './rejection.ts';

/** An event as the simulator keeps it. */
export interface StoredEvent {
  readonly title: string;
  readonly message: string;
  readonly tags: readonly string[];
  readonly aggregation_key?: string;
  readonly timestamp: string;
  readonly attributes: {
    readonly changed_resource: { readonly type: string; readonly name: string };
    readonly impacted_resources: readonly { readonly type: string; readonly name: string }[];
    readonly prev_value?: Readonly<Record<string, unknown>>;
    readonly new_value?: Readonly<Record<string, unknown>>;
    readonly change_metadata?: Readonly<Record<string, unknown>>;
  };
}

type Loose = Readonly<Record<string, unknown>>;

const oldestMs = 18 * 3_600_000;

/** A change event, checked by the limits that Datadog documents for it. Throws a Rejection. */
export function readEvent(body: unknown, nowMs: number): StoredEvent {
  const data = object(object(body, 'the body').data, 'data');
  if (data.type !== 'event') throw new Rejection('data.type must be event');
  const event = object(data.attributes, 'data.attributes');
  if (event.category !== 'change') throw new Rejection('category must be change');
  text(event.title, 'title', 500);
  optional(event.message, 'message', 4_000);
  optional(event.aggregation_key, 'aggregation_key', 100);
  const ageMs = nowMs - Date.parse(text(event.timestamp, 'timestamp', 40));
  // NaN is refused as well.
  if (!(ageMs <= oldestMs)) throw new Rejection('timestamp is invalid or older than 18 hours');
  if (!Array.isArray(event.tags) || event.tags.length > 100)
    throw new Rejection('at most 100 tags are allowed');
  for (const tag of event.tags) {
    if (!/^\p{L}[\p{L}\p{Nd}_:./-]{0,199}$/u.test(tag) || tag !== tag.toLowerCase() || tag.length > 200)
      throw new Rejection(`the tag ${JSON.stringify(tag)} would be changed`);
  }
  const attributes = object(event.attributes, 'attributes');
  const changed = resource(attributes.changed_resource, 'changed_resource');
  if (changed.type !== 'feature_flag' && changed.type !== 'configuration')
    throw new Rejection('changed_resource.type must be feature_flag or configuration');
  const impacted = attributes.impacted_resources ?? [];
  if (!Array.isArray(impacted) || impacted.length > 100)
    throw new Rejection('at most 100 impacted resources are allowed');
  for (const one of impacted)
    if (resource(one, 'impacted_resources').type !== 'service')
      throw new Rejection('only services can be impacted');
  if (attributes.author !== undefined) {
    const author = resource(attributes.author, 'author');
    if (!['user', 'system', 'api', 'automation'].includes(author.type))
      throw new Rejection('author.type is not one of user, system, api, automation');
  }
  return event as unknown as StoredEvent;
}

function resource(value: unknown, name: string): { readonly type: string; readonly name: string } {
  const of = object(value, name);
  return { type: text(of.type, `${name}.type`, 128), name: text(of.name, `${name}.name`, 128) };
}

function object(value: unknown, name: string): Loose {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Rejection(`${name} must be an object`);
  return value as Loose;
}

function text(value: unknown, name: string, max: number): string {
  if (typeof value !== 'string' || value.trim() === '') throw new Rejection(`${name} is required`);
  if (value.length > max) throw new Rejection(`${name} is longer than ${max} characters`);
  return value;
}

function optional(value: unknown, name: string, max: number): void {
  if (value !== undefined) text(value, name, max);
}
