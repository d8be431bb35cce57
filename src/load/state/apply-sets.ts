// Why: several commands change rows of sets, files and failures, and all of them must do it in the
// same way. How: the few shared changes.
import type { Replacement } from './load-commands.ts'
import { pieceBytes, setBytes, type FileFailure, type LoadRecord, type NewSet } from '../load.ts'
import type { Tables } from './load-tables.ts'

/**
 * Writes one open set.
 * @returns its number
 */
export function addSet(tables: Tables, load: LoadRecord, set: NewSet): number {
  const number = load.nextSet
  const { pieces, targets, attempt, notBeforeMs } = set
  const elsewhere = set.elsewhere === undefined ? {} : { elsewhere: set.elsewhere }
  const verify = set.verify === true ? { verify: true } : {}
  tables.sets.put([load.loadId, number], { pieces, targets, attempt, cached: false, ...elsewhere, ...verify })
  tables.open.put([load.loadId, number], {
    bytes: set.verify === true ? 0 : setBytes(set),
    targets,
    attempt,
    notBeforeMs,
    ...elsewhere,
  })
  load.nextSet += 1
  load.openSets += 1
  load.counts.tasks += 1
  return number
}

/**
 * Writes sets of files that are in no other set. Files in several of these sets get a progress row.
 */
export function addFileSets(tables: Tables, load: LoadRecord, sets: readonly NewSet[], always = false): void {
  const setsOfFile = new Map<number, number[]>()
  for (const set of sets) {
    const number = addSet(tables, load, set)
    for (const fileId of filesOf(set)) {
      const numbers = setsOfFile.get(fileId)
      if (numbers === undefined) setsOfFile.set(fileId, [number])
      else numbers.push(number)
    }
  }
  for (const [fileId, numbers] of setsOfFile) {
    if (numbers.length === 1 && !always) continue
    putProgress(tables, load, fileId, numbers.length, numbers)
  }
}

/** Updates the number of open sets of a file, and adds sets with a part of it. */
export function putProgress(
  tables: Tables,
  load: LoadRecord,
  fileId: number,
  open: number,
  holders: readonly number[],
): void {
  load.hasSplitFiles = true
  tables.files.put([load.loadId, fileId], { open })
  for (const set of holders) tables.fileSets.put([load.loadId, fileId, set], true)
}

export function hasFailed(tables: Tables, load: LoadRecord, fileId: number): boolean {
  return load.counts.filesFailed > 0 && tables.failures.get([load.loadId, fileId]) !== undefined
}

export function filesOf(set: { readonly pieces: readonly { readonly fileId: number }[] }): Set<number> {
  return new Set(set.pieces.map((piece) => piece.fileId))
}

/** Counts a file as failed, once. */
export function failFile(tables: Tables, load: LoadRecord, failure: FileFailure): void {
  const id = failure.fileId > 0 ? failure.fileId : -(load.counts.filesFailed + 1)
  if (tables.failures.get([load.loadId, id]) !== undefined) return
  tables.failures.put([load.loadId, id], failure)
  load.counts.filesFailed += 1
}

/**
 * Removes the old version of a file from every set that has a part of it, and adds the sets of the
 * new version. Does nothing when no set has the old version any more, because another set of the
 * same file reported the change first.
 * @returns whether the sets of the new version were added
 */
export function replaceFile(tables: Tables, load: LoadRecord, replacement: Replacement): boolean {
  const { oldFileId, set, file, failure, sets } = replacement
  const holders = new Set(
    tables.fileSets.scan([load.loadId, oldFileId], 0, Number.MAX_SAFE_INTEGER).map((row) => row.id),
  )
  holders.add(set)
  let oldLength: number | undefined
  for (const holder of holders) oldLength = removeFromSet(tables, load, holder, oldFileId) ?? oldLength
  if (oldLength === undefined) return false
  for (const holder of holders) tables.fileSets.delete([load.loadId, oldFileId, holder])
  tables.files.delete([load.loadId, oldFileId])
  if (hasFailed(tables, load, oldFileId)) return false
  if (file === undefined) {
    if (failure !== undefined) failFile(tables, load, failure)
    return true
  }
  load.counts.bytes += file.length - oldLength
  load.counts.tasksRetried += sets.length
  addFileSets(tables, load, sets)
  if (sets.length === 0) {
    load.counts.filesLoaded += 1
    load.counts.bytesLoaded += file.length
  }
  return true
}

function removeFromSet(tables: Tables, load: LoadRecord, set: number, fileId: number): number | undefined {
  const record = tables.sets.get([load.loadId, set])
  const removed = record?.pieces.filter((piece) => piece.fileId === fileId) ?? []
  const first = removed[0]
  if (record === undefined || first === undefined) return undefined
  const pieces = record.pieces.filter((piece) => piece.fileId !== fileId)
  const bytes = removed.reduce((sum, piece) => sum + pieceBytes(piece), 0)
  const open = tables.open.get([load.loadId, set])
  if (record.cached) load.counts.bytesCached -= bytes
  else if (open === undefined) load.counts.bytesLoaded -= bytes
  if (pieces.length === 0) {
    tables.sets.delete([load.loadId, set])
    if (open !== undefined) closeSet(tables, load, set)
  } else {
    tables.sets.put([load.loadId, set], { ...record, pieces })
    if (open !== undefined) tables.open.put([load.loadId, set], { ...open, bytes: open.bytes - bytes })
  }
  return first.length
}

/** Removes a set from the open ones. The caller has checked that it is open. */
export function closeSet(tables: Tables, load: LoadRecord, set: number): void {
  tables.open.delete([load.loadId, set])
  load.openSets -= 1
  load.counts.tasksDone += 1
}
