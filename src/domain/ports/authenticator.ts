/**
 * Who asks, as far as what they sent tells. Every text but `claim` is for the caller and for the log: none holds the token.
 */
export type Identification =
  | { readonly outcome: 'known'; readonly caller: string }
  | {
      readonly outcome: 'refused';
      readonly detail: string;
      /** For the log alone: what the gate asks for, and what a token holds that is otherwise good. */
      readonly claim?: { readonly name: string; readonly expected: string; readonly received: string };
    }
  /** The token may be good or bad: what it is verified with cannot be had at the moment. */
  | { readonly outcome: 'unavailable'; readonly message: string; readonly hint: string };

/** The port behind which bearer tokens are known. */
export interface Authenticator {
  /**
   * `token` is what stands after "Bearer". Answers at once where nothing has to be waited for; never throws, and never
   * takes a token for good because something failed.
   */
  identify(token: string): Identification | Promise<Identification>;
}
