// Why: the file system operations of the local journal, few enough that a test can replace them
// with a file system that simulates power loss. How: writes and directory changes are durable only
// after `sync` and `syncDirectory`. Nothing else is guaranteed.
import { open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises'
import { makeDirectories } from '../../base/files/make-directories.ts'
import { lockDirectory } from './directory-lock.ts'

export interface JournalFile {
  /** The current size of the file in bytes. */
  size(): Promise<number>
  /** The whole file. */
  readAll(): Promise<Uint8Array>
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  truncate(length: number): Promise<void>
  /**
   * Makes data and length durable (fdatasync). A failed sync is never retried, because the kernel
   * may have dropped the pages.
   */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Errors are those of node:fs (`code` ENOENT, ENOSPC, ...). */
export interface JournalFileSystem {
  /**
   * Creates the directory with mode 0700, parents included. An existing directory is not changed.
   */
  makeDirectory(path: string): Promise<void>
  names(directory: string): Promise<string[]>
  /** Creates a file with mode 0600. Rejects with EEXIST if it exists. */
  create(path: string): Promise<JournalFile>
  /** Opens an existing file. */
  open(path: string): Promise<JournalFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(path: string): Promise<void>
  /**
   * Locks the directory against other processes until the returned function is called.
   * @throws SkeinError failed_precondition
   */
  lock(directory: string): Promise<() => void>
}

export const diskFileSystem: JournalFileSystem = {
  makeDirectory: async (path) => {
    await makeDirectories(path, 0o700)
  },
  names: (directory) => readdir(directory),
  create: async (path) => diskFile(await open(path, 'wx+', 0o600)),
  open: async (path) => diskFile(await open(path, 'r+')),
  rename,
  remove: unlink,
  syncDirectory: async (path) => {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  lock: async (directory) => lockDirectory(directory),
}

function diskFile(handle: FileHandle): JournalFile {
  return {
    size: async () => (await handle.stat()).size,
    readAll: async () => {
      const bytes = Buffer.allocUnsafe((await handle.stat()).size)
      for (let read = 0; read < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, read, bytes.length - read, read)
        if (bytesRead === 0) return bytes.subarray(0, read)
        read += bytesRead
      }
      return bytes
    },
    write: async (bytes, position) => {
      for (let written = 0; written < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written)
        written += bytesWritten
      }
    },
    truncate: (length) => handle.truncate(length),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  }
}
