// Why: how far a stream reads ahead is a decision of its own, and a pure one. How: the object's
// wanted bytes are cut into ranges; the first that is not yet read is owed to the reader, the
// others are worth having only while there is room.
export interface ReadWindow {
  /** First byte wanted, and the byte behind the last one. */
  readonly offset: number
  readonly end: number
  readonly rangeBytes: number
  /** Ranges that may be held or in flight at once, the one being consumed included. */
  readonly rangesAhead: number
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** How many ranges cover the window. */
export function rangeCount(window: ReadWindow): number {
  return Math.ceil(Math.max(0, window.end - window.offset) / window.rangeBytes)
}

/** Range `index` of the window; the last one is shorter. */
export function rangeAt(window: ReadWindow, index: number): ByteRange {
  const offset = window.offset + index * window.rangeBytes
  return { offset, length: Math.min(window.rangeBytes, window.end - offset) }
}

/**
 * What a stream should do next, when `started` ranges were begun and `consumed` of them are done
 * with: `must` start one (it holds nothing, and its reader waits), `may` start one if there is
 * room, or `wait`.
 */
export function nextStep(window: ReadWindow, started: number, consumed: number): 'must' | 'may' | 'wait' {
  if (started >= rangeCount(window)) return 'wait'
  const held = started - consumed
  if (held === 0) return 'must'
  return held < window.rangesAhead ? 'may' : 'wait'
}
