import { ofSourceText } from '../sli/failure.ts';
import { type Endpoint, isOfOperation, type Service } from './model.ts';

/** What counts as a failure of an endpoint of a service, in words; undefined is 5XX. An unknown service has no source. */
export function failureTextOn(
  { failure }: Pick<Endpoint, 'failure'>,
  service: Pick<Service, 'source' | 'client'> | undefined,
): string | undefined {
  if (failure !== undefined || service === undefined) return failure?.text;
  return isOfOperation(service.source) || service.client !== undefined
    ? undefined
    : ofSourceText(service.source);
}
