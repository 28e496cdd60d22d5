/** e^-45 of the greatest term is beyond a double's digits, however many terms a CUJ has. */
const minVisible = -45;

/**
 * Natural log of a mean of exponentials, without overflow; infinite where one of them is. Throws RangeError for NaN:
 * skipping it would mean no evidence.
 */
export function logMeanExp(logs: ArrayLike<number>): number {
  const { length } = logs;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < length; i += 1) if ((logs[i] as number) > max) max = logs[i] as number;
  // The difference of two infinities is NaN.
  if (Math.abs(max) === Number.POSITIVE_INFINITY) return max;
  let sum = 0;
  for (let i = 0; i < length; i += 1) {
    const below = (logs[i] as number) - max;
    if (!(below <= minVisible)) sum += Math.exp(below);
  }
  if (Number.isNaN(sum)) throw new RangeError('Evidence is not a number: this is a bug of the gate.');
  return max + Math.log(sum / length);
}
