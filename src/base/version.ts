// Why: the version that reports name is the package's own, and that of the command line also says
// what it was built from.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The package's version. */
export function packageVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}

/** `skein 0.1.0`, or `skein 0.1.0 (1a2b3c4d5e6f)` where the build knew its commit. */
export function versionText(): string {
  const commit = commitOf()
  return `skein ${packageVersion()}${commit === undefined ? '' : ` (${commit})`}`
}

/** What dist/ was built from, as scripts/build.sh wrote it down. */
export function commitOf(): string | undefined {
  try {
    const commit = readFileSync(join(import.meta.dirname, '../commit'), 'utf8').trim()
    return /^[0-9a-f]{7,40}$/.test(commit) ? commit : undefined
  } catch {
    return undefined
  }
}
