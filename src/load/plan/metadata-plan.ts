// Why: a load may only make a listing known, so that later reads find it; then nothing goes out.
// Pure.
import type { ListedFile, PagePlan } from './planner.ts'

/**
 * A page of which nothing is loaded: its files are counted, those that cannot be cached are named.
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
