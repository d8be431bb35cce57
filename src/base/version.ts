// Why: reports show the version of the package, and the command line also shows the commit of the
// build.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The package's version. */
export function packageVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}

/** `skein 0.1.0`, or `skein 0.1.0 (1a2b3c4d5e6f)` if the build recorded its commit. */
export function versionText(): string {
  const commit = commitOf()
  return `skein ${packageVersion()}${commit === undefined ? '' : ` (${commit})`}`
}

/** The commit of dist/, as recorded by scripts/build.sh. */
export function commitOf(): string | undefined {
  try {
    const commit = readFileSync(join(import.meta.dirname, '../commit'), 'utf8').trim()
    return /^[0-9a-f]{7,40}$/.test(commit) ? commit : undefined
  } catch {
    return undefined
  }
}
