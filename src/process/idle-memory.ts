// Why: after a load, the heap of a role holds garbage up to its growth bound, and V8 collects it
// only when the heap grows again: an idle role keeps memory that other programs of the machine
// could use. How: the role looks at its own processor time once a second. When it was busy, or
// worked a little for long, and has been idle for a while, it collects garbage once, and returns
// the free pages to the system. When the heap has grown much, the first short pause is enough: else
// a load begins on top of the garbage of the one before, and the peak is the sum of both [M].
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from '../base/clock.ts'

/** Processor time of a look's interval above which the role is busy, and below which it is idle. */
const busyShare = 0.2
const idleShare = 0.1
/**
 * Work since the last collection that leaves garbage worth collecting, however slow it was; less
 * where the wait is short, for whoever sets that wants small heaps.
 */
const workMs = 1000
const workShare = 1 / 15
const lookMs = 1000
/** A collection stops the process, longer for more bytes in use. A larger heap is left alone. */
const heapBytesMax = 128 * 1024 * 1024
/**
 * A pause between two loads, and a growth of the heap that is worth a collection in it. The larger
 * the heap was after the last one, the more it must grow: a collection looks at all that is in use.
 */
const pauseMs = 250
const growthBytesMin = 48 * 1024 * 1024
const growthShare = 3 / 4

/** Decides when to collect. Work -> idle for `idleMs` -> collect, once. */
export class IdleWatch {
  readonly #idleMs: number
  readonly #workMs: number
  #last: { readonly nowMs: number; readonly processorMs: number } | undefined
  #wasBusy = false
  #workedMs = 0
  #idleSinceMs: number | undefined

  constructor(idleMs: number, enoughWorkMs = workMs) {
    this.#idleMs = idleMs
    this.#workMs = enoughWorkMs
  }

  /** `processorMs`: used by the process so far. True: collect now. */
  look(nowMs: number, processorMs: number): boolean {
    const last = this.#last
    this.#last = { nowMs, processorMs }
    if (last === undefined || nowMs <= last.nowMs) return false
    const share = (processorMs - last.processorMs) / (nowMs - last.nowMs)
    this.#workedMs += processorMs - last.processorMs
    if (share >= busyShare || this.#workedMs >= this.#workMs) this.#wasBusy = true
    if (share >= idleShare) this.#idleSinceMs = undefined
    else this.#idleSinceMs ??= last.nowMs
    if (!this.#wasBusy || this.#idleSinceMs === undefined || nowMs - this.#idleSinceMs < this.#idleMs) return false
    this.#wasBusy = false
    this.#workedMs = 0
    return true
  }

  /** The processor time of the collection itself, and of what follows it, is no work. */
  collected(): void {
    this.#last = undefined
    this.#idleSinceMs = undefined
  }
}

/** Decides when to collect in a pause. Grown and worked -> a look's interval idle -> collect. */
export class PauseWatch {
  #last: { readonly nowMs: number; readonly processorMs: number } | undefined
  /** When it collected last. */
  #since: { readonly processorMs: number; readonly heapBytes: number } | undefined

  /** `heapBytes`: of the heap, with what is free in it. True: collect now. */
  look(nowMs: number, processorMs: number, heapBytes: number): boolean {
    const last = this.#last
    this.#last = { nowMs, processorMs }
    this.#since ??= { processorMs, heapBytes }
    const since = this.#since
    if (last === undefined || nowMs <= last.nowMs) return false
    const isIdle = (processorMs - last.processorMs) / (nowMs - last.nowMs) < idleShare
    const growthBytes = heapBytes - since.heapBytes
    return (
      isIdle &&
      since.heapBytes <= heapBytesMax &&
      growthBytes >= Math.max(growthBytesMin, since.heapBytes * growthShare) &&
      processorMs - since.processorMs >= workMs
    )
  }

  /** It, or somebody else, has collected. The next look begins anew. */
  collected(): void {
    this.#last = undefined
    this.#since = undefined
  }
}

/**
 * Collects when the process has been idle for `idleMs`, and in a pause when its heap has grown.
 * @returns what ends it
 */
export function collectWhenIdle(
  clock: Clock,
  idleMs: number,
  collect: () => Promise<void> = collectGarbage,
): () => void {
  const watch = new IdleWatch(idleMs, Math.min(workMs, idleMs * workShare))
  const pauses = new PauseWatch()
  let lookedMs = Number.NEGATIVE_INFINITY
  let stopped = false
  let cancel: () => void = () => undefined
  const isDue = (): boolean => {
    const nowMs = clock.monotonicMs()
    const { user, system } = process.cpuUsage()
    const processorMs = (user + system) / 1000
    const { heapTotal, heapUsed } = process.memoryUsage()
    const inPause = pauses.look(nowMs, processorMs, heapTotal) && heapUsed <= heapBytesMax + growthBytesMin
    if (nowMs - lookedMs < lookMs) return inPause
    lookedMs = nowMs
    const whenIdle = watch.look(nowMs, processorMs) && heapUsed <= heapBytesMax
    return inPause || whenIdle
  }
  const look = async (): Promise<void> => {
    if (isDue()) {
      await collect().catch(() => undefined)
      watch.collected()
      pauses.collected()
    }
    if (!stopped) cancel = clock.schedule(pauseMs, () => void look())
  }
  void look()
  return () => {
    stopped = true
    cancel()
  }
}

type Collect = (options: { type: 'major'; execution: 'async'; flavor: 'last-resort' }) => Promise<void>
let gc: Collect | undefined

/**
 * Runs V8's own function, which scripts do not see by default (`node --expose-gc`). An ordinary
 * collection puts the pages that it freed into a pool of V8, which stays resident and is not part
 * of `heapTotal`; only a collection as for want of memory empties the pool. It takes 1 ms for each
 * MiB in use.
 */
export async function collectGarbage(): Promise<void> {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as Collect
  }
  await gc({ type: 'major', execution: 'async', flavor: 'last-resort' })
}
