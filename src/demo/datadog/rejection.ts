/** A request that Datadog would refuse: becomes `status` with `{"errors":[message]}`. */
export class Rejection extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.name = 'Rejection';
    this.status = status;
  }
}
