// Why: the master that metadata-scale.ts measures is started, asked, killed and ended from outside.
// How: a forked process, its address and figures over the channel to it, everything else by RPC.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { systemClock, systemRandom } from '../../src/base/clock.ts'
import { createClient } from '../../src/wire/rpc/channel.ts'
import { LifecycleServiceDefinition } from '../../src/wire/generated/lifecycle.ts'
import { MasterServiceDefinition } from '../../src/wire/generated/master.ts'
import type { MasterFigures, MasterRequest } from './metadata-scale-master.ts'

export const call = { signal: new AbortController().signal, deadlineMs: 3_600_000 }

function connect(address: string) {
  const options = { clock: systemClock, random: systemRandom, deadlineMs: call.deadlineMs }
  const master = createClient(MasterServiceDefinition, address, options)
  const lifecycle = createClient(LifecycleServiceDefinition, address, options)
  return {
    master: master.service,
    lifecycle: lifecycle.service,
    close: () => {
      master.close()
      lifecycle.close()
    },
  }
}

/** The master's process, and a client of it. */
export class MasterProcess {
  readonly #home: string
  readonly #trees: Readonly<Record<string, number>>
  readonly #logPath: string
  #child: ChildProcess | undefined
  #client: ReturnType<typeof connect> | undefined

  /** @param trees of its listing: how many files they have */
  constructor(root: string, name: string, trees: Readonly<Record<string, number>>) {
    this.#trees = trees
    this.#home = join(root, name)
    this.#logPath = join(root, `${name}.log`)
  }

  get service() {
    if (this.#client === undefined) throw new Error('the master does not run')
    return this.#client.master
  }

  get lifecycle() {
    if (this.#client === undefined) throw new Error('the master does not run')
    return this.#client.lifecycle
  }

  get stateDirectory(): string {
    return join(this.#home, 'master', 'state')
  }

  /** @returns how long it took until it answered, in ms */
  async start(): Promise<number> {
    const startedMs = performance.now()
    const log = openSync(this.#logPath, 'a')
    const program = join(import.meta.dirname, 'metadata-scale-master.ts')
    this.#child = fork(program, [this.#home, JSON.stringify(this.#trees)], { stdio: ['ignore', 'inherit', log, 'ipc'] })
    closeSync(log)
    const { address } = await this.#answer<{ address: string }>()
    this.#client = connect(address)
    await this.service.listNamespaces({}, call)
    return performance.now() - startedMs
  }

  async ask(request: MasterRequest): Promise<MasterFigures> {
    this.#child?.send(request)
    return (await this.#answer<{ figures: MasterFigures }>()).figures
  }

  async stop(how: 'SIGKILL' | 'close'): Promise<void> {
    const child = this.#child
    this.#client?.close()
    this.#client = undefined
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = once(child, 'exit')
    if (how === 'close') child.send({ what: 'end' } satisfies MasterRequest)
    else child.kill(how)
    await ended
  }

  async #answer<T>(): Promise<T> {
    const child = this.#child
    if (child === undefined) throw new Error('the master does not run')
    return new Promise((resolve, reject) => {
      const onExit = (): void =>
        reject(new Error(`the master ended: ${readFileSync(this.#logPath, 'utf8').slice(-2000)}`))
      child.once('exit', onExit)
      child.once('message', (message) => {
        child.off('exit', onExit)
        resolve(message as T)
      })
    })
  }
}
