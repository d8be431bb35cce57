// Why: after a power loss, a small file must have its old or its new content, never a mixture or
// nothing. How: write a second file, sync it, rename it over the first one, and sync the directory.
import { basename, dirname } from 'node:path'
import type { JournalFileSystem } from './journal-files.ts'

/**
 * Durably replaces the file at `path` with `text` (UTF-8), mode 0600. Errors are those of node:fs.
 */
export async function replaceFile(fileSystem: JournalFileSystem, path: string, text: string): Promise<void> {
  const part = `${path}.part`
  if ((await fileSystem.names(dirname(path))).includes(basename(part))) await fileSystem.remove(part)
  const file = await fileSystem.create(part)
  try {
    await file.write(Buffer.from(text, 'utf8'), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await fileSystem.rename(part, path)
  await fileSystem.syncDirectory(dirname(path))
}

/** The file as text; undefined when it does not exist. */
export async function readText(fileSystem: JournalFileSystem, path: string): Promise<string | undefined> {
  if (!(await fileSystem.names(dirname(path))).includes(basename(path))) return undefined
  const file = await fileSystem.open(path)
  try {
    return Buffer.from(await file.readAll()).toString('utf8')
  } finally {
    await file.close()
  }
}
