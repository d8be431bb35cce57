// Why: buckets are namespaces, and what the root mount has at a name that no namespace has is no
// bucket. How: before a request about a bucket is answered, the name is looked at, and known for a
// second. Without a root mount nothing can be at such a name, and the operations say so themselves.
import type { Clock } from '../../../base/clock.ts'
import { isSkeinError } from '../../../base/errors.ts'
import type { CallSignal, FileSystem } from '../../../client/file-system.ts'
import { hasRootMount } from '../../../client/status/namespace-of.ts'
import { s3Error } from '../answer/error-table.ts'
import type { BucketNames } from '../call/s3-call.ts'
import { pathOf } from '../objects/object-access.ts'

const knownMs = 1000
const bucketsMax = 2000

export class KnownBuckets implements BucketNames {
  readonly #fileSystem: Pick<FileSystem, 'stat'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** Until when a name is known to be a namespace's. */
  readonly #known = new Map<string, number>()

  constructor(fileSystem: Pick<FileSystem, 'stat'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#fileSystem = fileSystem
    this.#clock = clock
  }

  /** @throws S3 NoSuchBucket for a name at which only the root mount has, or may have, something */
  async check(bucket: string, options: CallSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    if ((this.#known.get(bucket) ?? nowMs) > nowMs) return
    this.#known.delete(bucket)
    if (!(await this.#isBucket(bucket, options))) throw s3Error('NoSuchBucket')
    if (this.#known.size >= bucketsMax) this.#known.clear()
    this.#known.set(bucket, nowMs + knownMs)
  }

  async #isBucket(bucket: string, options: CallSignal): Promise<boolean> {
    try {
      return (await this.#fileSystem.stat(pathOf({ bucket, key: '' }), options)).isMountPoint
    } catch (thrown) {
      if (!isSkeinError(thrown, 'not_found')) throw thrown
      return !(await hasRootMount(this.#fileSystem, options))
    }
  }
}
