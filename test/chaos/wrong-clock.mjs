// Loaded into a gate before its own program (--import): its clock is CHAOS_CLOCK_SKEW_MS ahead of the machine's.
const skewMs = Number(process.env.CHAOS_CLOCK_SKEW_MS);
const RightDate = Date;

globalThis.Date = class WrongDate extends RightDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RightDate.now() + skewMs] : args));
  }

  static now() {
    return RightDate.now() + skewMs;
  }
};
