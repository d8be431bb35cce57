// Why: two processes with one state directory would overwrite each other's files. The second one
// must be refused, but a killed holder must not block anybody. How: an OS lock that the kernel
// releases when the process ends. Node.js has no flock, but its SQLite takes a POSIX record lock
// for an exclusive transaction, which we open on an empty file and never write to. No other code
// here may open that file: closing any descriptor of it would release the lock (POSIX), and SQLite
// only handles its own descriptors. Alternatives: a file with pid and start time has a race when
// two processes take over a stale one, and a pid means nothing in another container with the same
// volume. An abstract socket exists only on Linux and only within a network namespace. The holder's
// pid is in a second file, only for the message.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SkeinError } from '../../base/errors.ts'

/**
 * Locks an existing directory until the returned function is called or the process ends.
 * @throws SkeinError failed_precondition (reason `locked`) with the holder's pid, permission_denied
 *   when the directory is not writable
 */
export function lockDirectory(directory: string): () => void {
  const lockPath = join(directory, 'lock')
  const holderPath = join(directory, 'lock.holder')
  const database = openLockFile(directory, lockPath)
  try {
    database.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE')
  } catch (thrown) {
    database.close()
    const { errcode } = thrown as { errcode?: unknown }
    if (errcode !== sqliteBusy) throw notWritable(directory, thrown)
    throw new SkeinError(
      'failed_precondition',
      `${directory} is in use by ${holderOf(holderPath)}: stop it, or use another directory`,
      {
        reason: 'locked',
        cause: thrown,
      },
    )
  }
  writeFileSync(holderPath, `${process.pid}\n`, { mode: 0o600 })
  let held = true
  const release = (): void => {
    if (!held) return
    held = false
    process.off('exit', release)
    rmSync(holderPath, { force: true })
    database.close()
  }
  // Also keeps the database reachable: garbage collection would silently release the lock.
  process.once('exit', release)
  return release
}

/** SQLITE_BUSY, https://www.sqlite.org/rescode.html#busy */
const sqliteBusy = 5

function openLockFile(directory: string, lockPath: string): DatabaseSync {
  try {
    return new DatabaseSync(lockPath)
  } catch (thrown) {
    throw notWritable(directory, thrown)
  }
}

function notWritable(directory: string, thrown: unknown): SkeinError {
  const why = thrown instanceof Error ? thrown.message : String(thrown)
  return new SkeinError('permission_denied', `cannot lock ${directory} (${why}): is it a writable directory?`, {
    cause: thrown,
  })
}

function holderOf(holderPath: string): string {
  try {
    return `process ${readFileSync(holderPath, 'utf8').trim() || 'unknown'}`
  } catch {
    return 'another process'
  }
}
