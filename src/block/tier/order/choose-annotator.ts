// Why: the configuration names a policy; the store wants a maker of annotators. How: one switch,
// one clock for all of them.
import { type BlockAnnotator, TouchClock } from './annotator.ts'
import { LrfuAnnotator, type LrfuWeights } from './lrfu-annotator.ts'
import { LruAnnotator } from './lru-annotator.ts'

export type AnnotatorSettings = { readonly kind: 'LRU' } | ({ readonly kind: 'LRFU' } & LrfuWeights)

/**
 * A maker of annotators that understand each other's marks. @throws SkeinError invalid_argument for
 * a factor out of its range
 */
export function annotatorMaker(settings: AnnotatorSettings): () => BlockAnnotator {
  const clock = new TouchClock()
  if (settings.kind === 'LRU') return () => new LruAnnotator(clock)
  return () => new LrfuAnnotator(clock, settings)
}
