// Why: stat and ls are measured on masters of different sizes in turn, so that what else the
// machine does meets all of them; files are chosen by chance, from one seed.
import { performance } from 'node:perf_hooks'
import { seededRandom } from '../../src/base/clock.ts'
import type { Calls, Latency } from './metadata-scale-figures.ts'
import { samples, trees } from './metadata-scale-options.ts'
import { call, type MasterProcess } from './metadata-scale-process.ts'
import { directoryKey, objectKey, objectsPerDirectory } from './synthetic-listing.ts'

const random = seededRandom(1)

function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  return { p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) }
}

export function ratioOf(many: Latency, few: Latency): Latency {
  return { p50Ms: many.p50Ms / few.p50Ms, p90Ms: many.p90Ms / few.p90Ms, p99Ms: many.p99Ms / few.p99Ms }
}

interface Place {
  readonly master: MasterProcess
  readonly trees: readonly { readonly namespace: string; readonly tree: string }[]
}

/** A file of all that are there, by chance. */
function pick(place: Place): { readonly namespace: string; readonly tree: string; readonly index: number } {
  const total = place.trees.reduce((sum, { tree }) => sum + (trees[tree] ?? 0), 0)
  let index = Math.floor(random() * total)
  for (const { namespace, tree } of place.trees) {
    const files = trees[tree] ?? 0
    if (index < files) return { namespace, tree, index }
    index -= files
  }
  throw new Error('nothing to pick from')
}

/**
 * Random files and whole directories of each place, in turn, so that what else the machine does
 * meets all of them.
 */
export async function sample(places: readonly Place[]): Promise<Calls[]> {
  const times = places.map((place) => ({ place, statMs: [] as number[], lsMs: [] as number[] }))
  for (let count = 0; count < samples; count += 1) {
    for (const { place, statMs, lsMs } of times) {
      const { service } = place.master
      const file = pick(place)
      const path = `/${file.namespace}/${objectKey(file.tree, file.index)}`
      const startedMs = performance.now()
      await service.getStatus({ path }, call)
      statMs.push(performance.now() - startedMs)
      if (count % 20 !== 0) continue
      const { namespace, tree, index } = pick(place)
      const directory = `/${namespace}/${directoryKey(tree, Math.floor(index / objectsPerDirectory))}`
      const listedMs = performance.now()
      const { files } = await service.listStatus(
        { path: directory, recursive: false, pageToken: '', limit: objectsPerDirectory },
        call,
      )
      lsMs.push(performance.now() - listedMs)
      if (files.length === 0) throw new Error(`nothing in ${directory}`)
    }
  }
  // What was compiled, read and filled meanwhile is not what is measured.
  return times.map(({ statMs, lsMs }) => ({
    stat: latencyOf(statMs.slice(samples / 5)),
    ls: latencyOf(lsMs.slice(lsMs.length / 5)),
  }))
}
