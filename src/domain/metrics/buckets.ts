/** The length of the buckets that verdicts are made of, in ms. */
export const bucketMs = 60_000;

/** The length of the buckets in which the newest data is asked for, in ms. */
export const recentStepMs = 10_000;
