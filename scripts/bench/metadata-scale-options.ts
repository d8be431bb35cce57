// Why: how many files, workers and calls metadata-scale.ts measures with, for all of its parts.
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

export const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '1000000' },
    first: { type: 'string' },
    workers: { type: 'string', default: '4' },
    replicas: { type: 'string', default: '1' },
    samples: { type: 'string', default: '20000' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
})
export const filesMax = Number(values.files)
export const workers = Array.from({ length: Number(values.workers) }, (_, index) => ({
  workerId: `worker-${index}`,
  session: '',
}))
export const replicas = Number(values.replicas)
export const samples = Number(values.samples)
/** Of the master that the large one is compared with. */
export const firstFiles = Number(values.first ?? Math.min(100_000, Math.floor(filesMax / 2)))
/** The listing forgets `listed`; `removed` goes with rm -R, `deleted` with its namespace. */
export const removedFiles = Math.floor((filesMax - firstFiles) / 2)
export const trees: Readonly<Record<string, number>> = {
  listed: firstFiles,
  removed: removedFiles,
  deleted: filesMax - firstFiles - removedFiles,
}
export const blocksPerReport = 10_000
