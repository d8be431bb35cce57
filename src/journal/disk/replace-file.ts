// Why: a small file must be the old one or the new one after a power loss, never a mixture and
// never nothing. How: write beside it, sync, rename over it, sync the directory.
import { basename, dirname } from 'node:path'
import type { JournalFileSystem } from './journal-files.ts'

/** The file at `path` holds `text` (UTF-8), durably; mode 0600. Errors are those of node:fs. */
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

/** The whole file as text, undefined when there is none. */
export async function readText(fileSystem: JournalFileSystem, path: string): Promise<string | undefined> {
  if (!(await fileSystem.names(dirname(path))).includes(basename(path))) return undefined
  const file = await fileSystem.open(path)
  try {
    return Buffer.from(await file.readAll()).toString('utf8')
  } finally {
    await file.close()
  }
}
