// Why: how far a stream reads ahead is a separate, pure decision. How: the requested bytes are cut
// into ranges. The reader needs the first unread range; further ranges start only while there is
// room.
export interface ReadWindow {
  /** The first requested byte, and the byte after the last one. */
  readonly offset: number
  readonly end: number
  readonly rangeBytes: number
  /** Maximum ranges held or in flight, including the one that is being consumed. */
  readonly rangesAhead: number
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** The number of ranges in the window. */
export function rangeCount(window: ReadWindow): number {
  return Math.ceil(Math.max(0, window.end - window.offset) / window.rangeBytes)
}

/** Range `index` of the window. The last one may be shorter. */
export function rangeAt(window: ReadWindow, index: number): ByteRange {
  const offset = window.offset + index * window.rangeBytes
  return { offset, length: Math.min(window.rangeBytes, window.end - offset) }
}

/**
 * What a stream should do after `started` ranges were begun and `consumed` of them are finished:
 * `must` start one (the stream holds none and its reader waits), `may` start one if there is room,
 * or `wait`.
 */
export function nextStep(window: ReadWindow, started: number, consumed: number): 'must' | 'may' | 'wait' {
  if (started >= rangeCount(window)) return 'wait'
  const held = started - consumed
  if (held === 0) return 'must'
  return held < window.rangesAhead ? 'may' : 'wait'
}
