// Why: what is measured is what users run: the built program, its command line, separate processes.
// How: `skein local` with a home of its own on free ports for each run, so that nothing of an
// earlier run helps.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from '../../../test/support/child.ts'
import { childEnvironment } from '../../../test/support/child-environment.ts'
import { main } from '../../../test/support/cluster.ts'
import { freePorts, storeFlags } from '../../../test/support/local-skein.ts'
import { processorSeconds, sizesOf } from '../process-figures.ts'
import type { RunResult } from './bench-case.ts'
import { type BenchOrigin, type BenchTools, type Measured, measureProgram } from './bench-tools.ts'

const startMs = 60_000

export interface SkeinOptions {
  readonly properties?: Readonly<Record<string, string>>
  /** Bytes of the cache. */
  readonly quota: number
  /** Workers beside the one of `skein local`. */
  readonly moreWorkers?: number
  /** Job workers beside the one of `skein local`; they need a queue on Redis. */
  readonly moreJobWorkers?: number
}

export class MeasuredSkein {
  readonly home: string
  readonly #children = new Map<string, Child>()
  #isClosed = false

  private constructor(home: string) {
    this.home = home
  }

  static async start(tools: BenchTools, options: SkeinOptions): Promise<MeasuredSkein> {
    if (!existsSync(main)) throw new Error('run npm run build first')
    const skein = new MeasuredSkein(tools.folder('skein'))
    // Also where the run is stopped in the middle.
    tools.onEnd(() => skein.close())
    try {
      await skein.#startAll(options)
    } catch (thrown) {
      await skein.close()
      throw thrown
    }
    return skein
  }

  async #startAll({ properties = {}, quota, moreWorkers = 0, moreJobWorkers = 0 }: SkeinOptions): Promise<void> {
    const given = { 'goosefs.worker.tieredstore.level0.dirs.quota': String(quota), ...properties }
    const own = Object.entries(given).map(([key, value]) => `-D${key}=${value}`)
    await this.#start('skein local', ['local', '--home', this.home, ...freePorts, ...own])
    const [host = '', port = ''] = this.address.split(/:(?=\d+$)/)
    const others = [
      ...freePorts.filter((flag) => !flag.includes('goosefs.master.rpc.port')),
      ...[`-Dgoosefs.master.hostname=${host}`, `-Dgoosefs.master.rpc.port=${port}`],
      ...['-Dskein.ufs.allowPrivateEndpoints=true', ...own],
    ]
    const homeOf = (name: string): string => {
      const home = join(this.home, name)
      mkdirSync(home)
      return home
    }
    for (let number = 1; number <= moreWorkers; number += 1) {
      const home = homeOf(`worker-${number}`)
      const directory = `-Dgoosefs.worker.tieredstore.level0.dirs.path=${join(home, 'blocks')}`
      await this.#start(`skein worker ${number}`, ['worker', ...others, `-Dskein.home=${home}`, directory])
    }
    for (let number = 1; number <= moreJobWorkers; number += 1) {
      const home = homeOf(`job-worker-${number}`)
      await this.#start(`skein job-worker ${number}`, ['job-worker', ...others, `-Dskein.home=${home}`])
    }
  }

  async #start(name: string, words: readonly string[]): Promise<void> {
    if (this.#isClosed) throw new Error('the run was stopped')
    const child = startChild(process.execPath, [main, ...words], {
      logFile: join(this.home, 'bench.log'),
      env: childEnvironment(),
    })
    this.#children.set(name, child)
    await child.line((line) => (line.startsWith('{"ready"') ? line : undefined), startMs)
  }

  /** `host:port` of the master. */
  get address(): string {
    const running = JSON.parse(readFileSync(join(this.home, 'skein.json'), 'utf8')) as { master: string }
    return running.master
  }

  /** A command as a process. */
  command(...words: readonly string[]): Promise<Measured> {
    return measureProgram(process.execPath, [main, ...words], childEnvironment({ SKEIN_HOME: this.home }))
  }

  /** @param url another way to the same origin, such as a proxy */
  async createNamespace({
    bucket,
    url,
    credential,
  }: Pick<BenchOrigin, 'bucket' | 'url' | 'credential'>): Promise<void> {
    const flags = storeFlags(url, credential?.secretKey, credential?.accessKey)
    await this.command('ns', 'create', bucket, `s3://${bucket}/`, ...flags)
  }

  /** Processor time so far, of all processes. */
  get processorSeconds(): number {
    return [...this.#children.values()].reduce((sum, { pid }) => sum + processorSeconds(pid), 0)
  }

  get pids(): Record<string, number> {
    return Object.fromEntries([...this.#children].map(([name, { pid }]) => [name, pid]))
  }

  get peaks(): Record<string, number> {
    return Object.fromEntries([...this.#children].map(([name, { pid }]) => [name, sizesOf(pid).peak]))
  }

  /**
   * A command whose cost includes what the processes of the cluster do for it; `roleSeconds` is
   * theirs alone.
   */
  async measure(
    ...words: readonly string[]
  ): Promise<RunResult & { readonly stdout: string; readonly roleSeconds: number }> {
    const before = this.processorSeconds
    const { seconds, processorSeconds: own, peakBytes, stdout } = await this.command(...words)
    const roleSeconds = this.processorSeconds - before
    const peaks = { ...this.peaks, [`skein ${words.slice(0, 2).join(' ')}`]: peakBytes }
    return { seconds, processorSeconds: own + roleSeconds, peaks, stdout, roleSeconds }
  }

  /** Ends all processes, and deletes the home. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const children = [...this.#children.values()].toReversed()
    this.#children.clear()
    for (const child of children) await child.end('SIGTERM')
    rmSync(this.home, { recursive: true, force: true })
  }
}

/** Runs `work` with a fresh cluster. */
export async function withSkein<T>(
  tools: BenchTools,
  options: SkeinOptions,
  work: (skein: MeasuredSkein) => Promise<T>,
): Promise<T> {
  const skein = await MeasuredSkein.start(tools, options)
  try {
    return await work(skein)
  } finally {
    await skein.close()
  }
}
