// Why: a replay reads all segments as one sequence of entries, and must detect a missing beginning.
// How: reads the segments in order, each up to the beginning of the next one.
import { SkeinError } from '../../base/errors.ts'
import type { JournalFileSystem } from '../disk/journal-files.ts'
import type { JournalEntry } from '../journal.ts'
import type { Checksum } from './entry-codec.ts'
import { readSegment } from './journal-segment.ts'

interface JournalSource {
  readonly fileSystem: JournalFileSystem
  readonly directory: string
  readonly checksum: Checksum
}

/**
 * The entries from `from` to `end`, both inclusive.
 * @param firstSeqs first seqs of the segments, oldest first
 * @throws SkeinError data_loss when the journal begins later, or an entry is damaged
 */
export async function* readEntries(
  { fileSystem, directory, checksum }: JournalSource,
  firstSeqs: readonly bigint[],
  from: bigint,
  end: bigint,
): AsyncIterable<JournalEntry> {
  const oldest = firstSeqs[0] ?? 1n
  const start = from < 1n ? 1n : from
  if (start < oldest) {
    const message = `the journal in ${directory} begins at seq ${oldest}, after the required seq ${start}`
    throw new SkeinError('data_loss', `${message}: restore it from a backup`)
  }
  for (const [index, firstSeq] of firstSeqs.entries()) {
    const next = firstSeqs[index + 1]
    const last = next === undefined ? end : next - 1n
    if (last < start) continue
    for await (const entry of readSegment(fileSystem, directory, firstSeq, last < end ? last : end, checksum))
      if (entry.seq >= start) yield entry
  }
}
