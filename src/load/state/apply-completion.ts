// Why: a load system that only counts reports gives wrong results. How: a set is done when it is
// removed from the open sets, which happens once, however often and by however many attempts it is
// reported. A file is loaded when no open set has a part of it. Blocks that did not arrive continue
// as new sets, so one bad file never delays the others.
import type { RepairPlanned, Replacement, SetCompleted } from './load-commands.ts'
import { addFileSets, addSet, closeSet, failFile, filesOf, hasFailed, putProgress, replaceFile } from './apply-sets.ts'
import { carve, pieceBytes, setMode, type LoadRecord, type NewSet, type Piece, type SetRecord } from '../load.ts'
import type { Tables } from './load-tables.ts'

/**
 * @returns false when the set is not open, because it is done or was never planned. Adds the
 *   replacements that it did not use to `unused`.
 */
export function applySetCompleted(
  tables: Tables,
  load: LoadRecord,
  command: SetCompleted,
  unused: Replacement[],
): boolean {
  const { loadId } = load
  const { set } = command
  if (tables.open.get([loadId, set]) === undefined) return false
  load.counts.originBytes += command.originBytes
  for (const replacement of command.replaced) if (!replaceFile(tables, load, replacement)) unused.push(replacement)
  const record = tables.sets.get([loadId, set])
  // All its pieces belonged to replaced files, and the set was removed with them.
  if (record === undefined || tables.open.get([loadId, set]) === undefined) return true
  closeSet(tables, load, set)

  const files = filesOf(record)
  const failed = new Map(
    command.failed.filter((failure) => files.has(failure.fileId)).map((failure) => [failure.fileId, failure]),
  )
  const retries = command.retries
    .map((retry) => ({
      ...retry,
      pieces: retry.pieces.filter((piece) => files.has(piece.fileId) && !failed.has(piece.fileId)),
    }))
    .filter((retry) => retry.pieces.length > 0)
  const kept = keptPieces(record, retries, failed)
  const bytes = record.verify === true ? 'bytesCached' : 'bytesLoaded'
  for (const piece of kept) load.counts[bytes] += pieceBytes(piece)
  noteVerified(load, command)
  if (kept.length === 0) tables.sets.delete([loadId, set])
  else if (record.verify === true) tables.sets.put([loadId, set], { ...record, pieces: kept, cached: true })
  else if (kept !== record.pieces) tables.sets.put([loadId, set], { ...record, pieces: kept })
  for (const failure of failed.values()) failFile(tables, load, failure)

  const retrySets = withLeads(retries, record, kept).map((retry) => ({ retry, number: addSet(tables, load, retry) }))
  load.counts.tasksRetried += retries.length
  const keptFiles = filesOf({ pieces: kept })
  for (const fileId of files) {
    const again = retrySets
      .filter(({ retry }) => retry.pieces.some((piece) => piece.fileId === fileId))
      .map(({ number }) => number)
    progressFile(tables, load, fileId, again, keptFiles.has(fileId) ? set : undefined, record.verify === true)
  }
  return true
}

/** Updates one file after one of its open sets ended and `again` were opened. */
function progressFile(
  tables: Tables,
  load: LoadRecord,
  fileId: number,
  again: readonly number[],
  keptIn: number | undefined,
  verified: boolean,
): void {
  const before = load.hasSplitFiles ? tables.files.get([load.loadId, fileId]) : undefined
  const open = (before?.open ?? 1) - 1 + again.length
  if (before !== undefined || open > 0)
    putProgress(tables, load, fileId, open, keptIn === undefined ? again : [keptIn, ...again])
  if (open === 0 && !hasFailed(tables, load, fileId)) load.counts[verified ? 'filesCached' : 'filesLoaded'] += 1
}

function noteVerified({ counts }: LoadRecord, { verified }: SetCompleted): void {
  if (verified === undefined) return
  counts.filesVerified = (counts.filesVerified ?? 0) + verified.files
  counts.filesUnverifiable = (counts.filesUnverifiable ?? 0) + verified.unverifiable
}

/** Blocks of the set that arrived on every target. */
function keptPieces(
  record: SetRecord,
  retries: readonly NewSet[],
  failed: ReadonlyMap<number, unknown>,
): readonly Piece[] {
  if (retries.length === 0 && failed.size === 0) return record.pieces
  const again = new Map<number, Set<number>>()
  for (const { fileId, firstBlock, blockCount } of retries.flatMap((retry) => retry.pieces)) {
    const blocks = again.get(fileId) ?? new Set()
    again.set(fileId, blocks)
    for (let index = firstBlock; index < firstBlock + blockCount; index += 1) blocks.add(index)
  }
  return record.pieces
    .filter((piece) => !failed.has(piece.fileId))
    .flatMap((piece) => {
      const moved = again.get(piece.fileId)
      if (moved === undefined) return [piece]
      return carve(piece, (index) => !moved.has(index))
    })
}

/**
 * Gives `lead` to the first retried piece of each file that has no leading piece left in the old
 * set.
 */
function withLeads(retries: readonly NewSet[], record: SetRecord, kept: readonly Piece[]): NewSet[] {
  if (retries.length === 0) return []
  const homeless = new Set(record.pieces.filter((piece) => piece.lead).map((piece) => piece.fileId))
  for (const piece of kept) if (piece.lead) homeless.delete(piece.fileId)
  return retries.map((retry) => ({
    ...retry,
    pieces: retry.pieces.map((piece) => ({ ...piece, lead: homeless.delete(piece.fileId) })),
  }))
}

/**
 * An audit plans its repairs in parts, so the first ones may already run when the next ones are
 * planned.
 * @returns false when the load is not being audited. Adds the replacements that it did not use to
 *   `unused`.
 */
export function applyRepairPlanned(
  tables: Tables,
  load: LoadRecord,
  command: RepairPlanned,
  unused: Replacement[],
): boolean {
  if (load.mode !== 'AUDITING' && !(load.mode === 'RUNNING' && load.listingDone)) return false
  for (const { cached, bytes } of command.reopened) {
    load.counts[cached ? 'filesCached' : 'filesLoaded'] -= 1
    load.counts[cached ? 'bytesCached' : 'bytesLoaded'] -= bytes
  }
  for (const failure of command.failed) failFile(tables, load, failure)
  for (const replacement of command.replaced) if (!replaceFile(tables, load, replacement)) unused.push(replacement)
  addFileSets(tables, load, command.sets, true)
  load.counts.tasksRetried += command.sets.length
  if (load.openSets > 0 && load.mode === 'AUDITING') setMode(load, 'RUNNING', command.nowMs)
  return true
}
