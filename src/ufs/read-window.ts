// Why: how far a stream reads ahead is a separate, pure decision. How: the requested bytes are cut
// into ranges one after the other, so their size may change between two of them. The reader needs
// the first unread range; further ranges start only while there is room.
export interface ReadWindow {
  /** The byte after the last requested one. */
  readonly end: number
  /** Maximum ranges held or in flight, including the one that is being consumed. */
  readonly rangesAhead: number
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** The range of at most `rangeBytes` that begins at `offset`, which is before the end. */
export function rangeFrom({ end }: ReadWindow, offset: number, rangeBytes: number): ByteRange {
  return { offset, length: Math.min(rangeBytes, end - offset) }
}

/**
 * What a stream should do that holds `held` ranges, when the next one would begin at `offset`:
 * `must` start one (the stream holds none and its reader waits), `may` start one if there is room,
 * or `wait`.
 */
export function nextStep({ end, rangesAhead }: ReadWindow, offset: number, held: number): 'must' | 'may' | 'wait' {
  if (offset >= end) return 'wait'
  if (held === 0) return 'must'
  return held < rangesAhead ? 'may' : 'wait'
}
