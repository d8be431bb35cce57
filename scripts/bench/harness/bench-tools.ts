// Why: cases need the same things: a folder, an origin, programs that are measured from outside.
// How: one object for a run. What was started is ended at the end, in reverse order.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { freePort } from '../../../test/support/free-port.ts'
import { childrenSeconds, sizesOf } from '../process-figures.ts'
import type { RunResult } from './bench-case.ts'
import { type OriginKind, withOriginKind } from './origin-kind.ts'

const lookMs = 20
export const stopSignals = ['SIGINT', 'SIGTERM'] as const
const staticOrigin = join(import.meta.dirname, '../static-origin.mjs')

export interface OriginObject {
  readonly key: string
  readonly bytes: number
}

export interface BenchOrigin {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly bucket: string
  readonly objects: readonly OriginObject[]
  /** The folder with the objects as plain files. */
  readonly folder: string
  /** What signs requests. Undefined: no signature is checked. */
  readonly credential?: { readonly accessKey: string; readonly secretKey: string }
}

export interface ToolOptions {
  /** 1: the usual sizes. Less: for trying a case out. */
  readonly scale: number
  /** Cases go up to sizes that take long. */
  readonly isFull: boolean
  /** For the files of origins, which are made once. */
  readonly originFolder: string
  readonly originKind: OriginKind
}

export class BenchTools {
  readonly scratch: string
  readonly scale: number
  readonly isFull: boolean
  readonly #originFolder: string
  readonly #originKind: OriginKind
  readonly #made = new Map<string, Promise<unknown>>()
  readonly #undos: (() => Promise<void> | void)[] = []
  #closing: Promise<void> | undefined
  #folders = 0

  constructor({ scale, isFull, originFolder, originKind }: ToolOptions) {
    this.scale = scale
    this.isFull = isFull
    this.scratch = mkdtempSync(join(tmpdir(), 'skein-bench-'))
    // Started by root, nginx reads as somebody else.
    chmodSync(this.scratch, 0o755)
    this.#originFolder = originFolder
    this.#originKind = originKind
    this.onEnd(() => rmSync(this.scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }))
  }

  /** Called in reverse order at the end. */
  onEnd(undo: () => Promise<void> | void): void {
    this.#undos.push(undo)
  }

  /** Each call resolves when all is undone. */
  close(): Promise<void> {
    return (this.#closing ??= this.#undoAll())
  }

  async #undoAll(): Promise<void> {
    // What is still being started adds more.
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo()
      } catch (thrown) {
        // The others are ended all the same.
        process.stderr.write(`${(thrown as Error).message}\n`)
      }
    }
  }

  /** What `make` made the first time. */
  once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const made = (this.#made.get(name) as Promise<T> | undefined) ?? make()
    this.#made.set(name, made)
    return made
  }

  /** A count that gets smaller with the scale. */
  scaled(count: number): number {
    return Math.max(1, Math.round(count * this.scale))
  }

  /** A new empty folder. */
  folder(name: string): string {
    const folder = join(this.scratch, `${name}-${(this.#folders += 1)}`)
    mkdirSync(folder)
    return folder
  }

  /** A store with `count` objects of `size` (`16KiB`, or `64KiB~2`: log-normal), made once. */
  origin(count: number, size: string): Promise<BenchOrigin> {
    const spec = `${this.scaled(count)}x${size}`
    return this.once(`origin ${spec}`, async () =>
      withOriginKind(this, this.#originKind, await this.#nginxOrigin(spec)),
    )
  }

  async #nginxOrigin(spec: string): Promise<BenchOrigin> {
    const bucket = `b${spec.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')}`
    const home = join(this.#originFolder, bucket)
    mkdirSync(home, { recursive: true })
    const port = await freePort()
    // Before, so that it is stopped when the run is stopped meanwhile.
    this.onEnd(() => void execFileSync(process.execPath, [staticOrigin, 'stop', home]))
    execFileSync(process.execPath, [staticOrigin, 'start', home, String(port), `${bucket}=${spec}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const folder = join(home, 'root', bucket)
    const objects = objectsBelow(folder)
    // Into the page cache: the disk of the origin is not measured.
    execFileSync('sh', ['-c', 'find "$0" -type f -print0 | xargs -0 cat > /dev/null', folder])
    return { url: `http://127.0.0.1:${port}`, bucket, objects, folder }
  }

  /** Writes what earlier runs left, so that the next one does not wait for it. */
  settle(): void {
    execFileSync('sync', ['-f', this.scratch])
  }
}

function objectsBelow(folder: string): OriginObject[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ key: relative(folder, path), bytes: statSync(path).size }))
    .toSorted((one, other) => (one.key < other.key ? -1 : 1))
}

export function bytesOf({ objects }: Pick<BenchOrigin, 'objects'>): number {
  return objects.reduce((sum, { bytes }) => sum + bytes, 0)
}

export interface Measured extends Pick<RunResult, 'seconds' | 'processorSeconds'> {
  readonly peakBytes: number
  readonly stdout: string
}

/**
 * Runs a program to its end. Processor time is that of all children that end meanwhile.
 * @throws Error with its last words when it fails
 */
export async function measureProgram(
  command: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Measured> {
  const before = childrenSeconds()
  const beganMs = performance.now()
  const child = spawn(command, words, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  // It ends with the run when that is stopped.
  const kill = (): void => void child.kill('SIGKILL')
  for (const signal of stopSignals) process.once(signal, kill)
  let [stdout, stderr, peakBytes] = ['', '', 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4000)))
  // The peak never falls, so the last look before the end is enough.
  const looking = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid))), lookMs)
  peakBytes = peakOf(child.pid)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    const seconds = (performance.now() - beganMs) / 1000
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`)
    return { seconds, processorSeconds: childrenSeconds() - before, peakBytes, stdout }
  } finally {
    for (const signal of stopSignals) process.removeListener(signal, kill)
    clearInterval(looking)
  }
}

/** 0 when it has ended. */
function peakOf(pid: number | undefined): number {
  try {
    return pid === undefined ? 0 : sizesOf(pid).peak
  } catch {
    return 0
  }
}

/** A program on PATH or in one of these folders. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const places = [...folders, ...(process.env['PATH'] ?? '').split(':')]
  return places.map((folder) => join(folder, name)).find((path) => existsSync(path))
}
