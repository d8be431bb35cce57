// Why: what frees, drops, removes and loads does so by several ways at once, and no byte of the
// store may be read more often than some order of the calls needs. How: a reference of what should
// be cached, for one client exactly; for several, what holds in any order: of each file at most one
// read more than there were drops of it.
import { isSkeinError } from '../../../src/base/errors.ts'
import type { Cluster } from '../../../src/client/cluster.ts'
import type { LoadOptions, LoadStatus } from '../../../src/wire/generated/job.ts'
import type { Origin } from '../../support/origin/server.ts'

export const fileBytes = 1_500_000
const never = new AbortController().signal
export const directories = ['a', 'b', 'c']
export const keys = directories.flatMap((directory) => ['1', '2', '3'].map((name) => `${directory}/${name}`))

export type Kind = 'load' | 'free' | 'remove' | 'drop' | 'allow' | 'expire' | 'persist' | 'pin'
export interface Step {
  readonly kind: Kind
  /** A directory (all below it) or a file. */
  readonly path: string
}

/** What is played on; a planted fault stands between. */
export interface Client {
  load(path: string): Promise<LoadStatus>
  run(step: Step): Promise<void>
  cachedBytes(): Promise<Map<string, number>>
}

export function clientOf(cluster: Cluster, origin: Origin, directory: string, more: Partial<LoadOptions> = {}): Client {
  const master = cluster.master()
  const lifecycle = cluster.lifecycle()
  const full = (path: string): string => `/data/${directory}/${path}`
  const call = { signal: never }
  const statusOf = async (loadId: string): Promise<LoadStatus> => {
    for (;;) {
      const status = await cluster.jobMaster().getLoad({ loadId }, call)
      if (status.endedMs > 0) return status
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const restore = (path: string): void => {
    for (const key of below(path))
      if (origin.bucket('data').get(`${directory}/${key}`) === undefined) put(origin, directory, key)
  }
  return {
    load: async (path) => {
      restore(path)
      const options = { replication: 1, keepReplication: true, activeJobs: 100, batchSize: 0, ...more }
      const { loadId } = await cluster.jobMaster().submitLoad({ requestKey: '', path: full(path), options }, call)
      return statusOf(loadId)
    },
    run: async ({ kind, path }) => {
      const target = full(path)
      const isDirectory = directories.includes(path)
      if (kind === 'free') await master.free({ path: target, force: true }, call)
      if (kind === 'remove') await lifecycle.delete({ path: target, recursive: true, cacheOnly: false }, call)
      if (kind === 'drop') await lifecycle.setPathReplication({ path: target, recursive: isDirectory, max: 0 }, call)
      if (kind === 'allow')
        await lifecycle.setPathReplication({ path: target, recursive: isDirectory, min: 0, max: -1 }, call)
      if (kind === 'persist') await lifecycle.persist({ path: target }, call)
      if (kind === 'pin') {
        await lifecycle.setPinned({ path: target, pinned: true }, call)
        await lifecycle.setPinned({ path: target, pinned: false }, call)
      }
      if (kind === 'expire') {
        await lifecycle.setTtl({ path: target, ttlMs: 1, action: 'FREE' }, call)
        while ((await master.getStatus({ path: target }, call)).ttlMs >= 0)
          await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    cachedBytes: async () => {
      const all = { path: `/data/${directory}`, recursive: true, pageToken: '', limit: 0 }
      // With its last file the directory is gone, too.
      const { files } = await master.listStatus(all, call).catch((thrown: unknown) => {
        if (isSkeinError(thrown, 'not_found')) return { files: [] }
        throw thrown
      })
      return new Map(
        files
          .filter(({ folder }) => !folder)
          .map(({ key, cachedBytes }) => [key.slice(directory.length + 1), cachedBytes]),
      )
    },
  }
}

export function put(origin: Origin, directory: string, key: string): void {
  origin.bucket('data').generate(`${directory}/${key}`, fileBytes)
}

export function below(path: string): readonly string[] {
  return keys.filter((key) => key === path || key.startsWith(`${path}/`))
}

/** Plays a step at the reference. @returns bytes that it must read of the store */
export class Reference {
  readonly cached = new Set<string>()
  readonly gone = new Set<string>()
  readonly forbidden = new Set<string>()

  play({ kind, path }: Step): number {
    const files = below(path)
    if (kind === 'load') {
      for (const key of files) this.gone.delete(key)
      const read = files.filter((key) => !this.cached.has(key) && !this.forbidden.has(key))
      for (const key of read) this.cached.add(key)
      return read.length * fileBytes
    }
    for (const key of files) {
      if (this.gone.has(key)) continue
      if (kind === 'free' || kind === 'expire' || kind === 'remove' || kind === 'drop') this.cached.delete(key)
      if (kind === 'drop') this.forbidden.add(key)
      if (kind === 'allow' || kind === 'remove') this.forbidden.delete(key)
      if (kind === 'remove') this.gone.add(key)
    }
    return 0
  }

  /** Whether there is anything that the step could be done to. */
  isPossible({ kind, path }: Step): boolean {
    return kind === 'load' || below(path).some((key) => !this.gone.has(key))
  }
}
