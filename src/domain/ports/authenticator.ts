/**
 * Who the caller is, by what it sent. Every text but `claim` is for the caller and for the log. None holds the token.
 */
export type Identification =
  | { readonly outcome: 'known'; readonly caller: string }
  | {
      readonly outcome: 'refused';
      readonly detail: string;
      /** For the log alone: what the gate asks for, and what the token holds. */
      readonly claim?: { readonly name: string; readonly expected: string; readonly received: string };
    }
  /** The token cannot be verified at the moment: the keys are not available. */
  | { readonly outcome: 'unavailable'; readonly message: string; readonly hint: string };

/** The port that verifies bearer tokens. */
export interface Authenticator {
  /**
   * `token` is the text after "Bearer". Answers without a promise where nothing has to be waited for. It never throws, and
   * never accepts a token because something failed.
   */
  identify(token: string): Identification | Promise<Identification>;
}
