// Why: what a worker deletes, keeps or is given is seen on its disk. How: every file of its block
// directories that holds blocks, by its path in the directory.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from './dataset.ts'

const folders = ['blocks', 'segments', 'set-aside']

/**
 * Path in the directory -> SHA-256 of the file. A segment's end may be room that nothing was
 * written to yet.
 */
export function blockFiles(directory: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const folder of folders.filter((name) => existsSync(join(directory, name)))) {
    for (const entry of readdirSync(join(directory, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      found[path.slice(directory.length + 1)] = sha256(readFileSync(path))
    }
  }
  return found
}
