// Why: `skein tune explain` tells what the GooseFS tuning guide ("Distributedload tuning practice")
// advises for a key, also where the advice is no rule that can be checked. How: a table, in our own
// words. Pure.
import { type TuningKey, tuningKeys as keys } from '../config/tuning-values.ts'

/** Keys without an entry are not in the guide. */
export const guideAdvice: Readonly<Partial<Record<TuningKey, string>>> = {
  [keys.block]: '128 MB for data sets whose files are large on average.',
  [keys.reads]: '2 to 3 x the processors, then more or fewer by how busy they are.',
  [keys.range]:
    '4 MB for files of tens of MB. For files of MB or KB the mean or median size, so that one request reads one ' +
    'file: for a small response the request costs more than its bytes.',
  [keys.queue]:
    '8 to 32, by memory: one stream takes the range size x the queue size. More ranges than a block has are ' +
    'never used.',
  [keys.buffer]:
    'By memory: the reads of a worker take their number x (this buffer + one stream + 1 MB for the request).',
  [keys.readers]: 'By memory: each read takes its buffer + one stream + 1 MB for the request.',
  [keys.tasks]: 'Slightly above the reads in flight, so that all of them are used.',
  [keys.threads]: 'At most the tasks that run at once.',
  [keys.streams]: 'Twice the tasks that run at once: a task that gets no stream waits.',
  [keys.jobs]: 'Above the tasks that one job worker runs at once.',
}
