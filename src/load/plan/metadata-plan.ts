// Why: a load can read only the listing, so that later reads find the files. How: nothing is
// dispatched. Pure.
import type { ListedFile, PagePlan } from './planner.ts'

/**
 * Plans a page without loading anything: counts its files, and reports those that cannot be cached.
 */
export function planMetadata(files: readonly ListedFile[]): PagePlan {
  const real = files.filter(
    ({ key, length, problem }) => problem !== '' || length > 0 || (key !== '' && !key.endsWith('/')),
  )
  const failing = real.filter(({ problem }) => problem !== '')
  return {
    sets: [],
    cached: [],
    failed: failing.map(({ fileId, key, length, problem, problemCode = 'failed_precondition' }) => {
      return { fileId, key, length, code: problemCode, reason: problem, attempts: 0, workerId: '' }
    }),
    counts: {
      files: real.length,
      bytes: real.reduce((sum, { length }) => sum + length, 0),
      filesCached: 0,
      filesSkipped: files.length - failing.length,
      bytesCached: 0,
    },
    missingBytes: 0,
  }
}
