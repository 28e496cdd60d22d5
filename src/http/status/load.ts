/** How many questions wait for an answer, over all environments. */
export interface Load {
  inflight: number;
  /** Of those about the past. */
  past: number;
  /** Pages that are being made. */
  pages: number;
}
