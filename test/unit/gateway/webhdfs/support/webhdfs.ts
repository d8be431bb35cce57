// Why: the door is tested as its clients see it, over HTTP. How: a door on a free port before a
// file system in memory, and requests as Hadoop's client makes them.
import { type Clock, systemClock } from '../../../../../src/base/clock.ts'
import type { FileSystem } from '../../../../../src/client/file-system.ts'
import type { Permissions } from '../../../../../src/gateway/callers.ts'
import { sentMemory } from '../../../../../src/gateway/sent-memory.ts'
import { startWebHdfsDoor } from '../../../../../src/gateway/webhdfs/webhdfs-door.ts'
import type { WebHdfsDoorOptions } from '../../../../../src/gateway/webhdfs/webhdfs-options.ts'
import { silentLogger } from '../../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../../src/telemetry/registry.ts'
import { MemoryFileSystem } from '../../../../support/memory-file-system.ts'
import { type PlainAnswer, plainly, type PlainRequest } from '../../support/plain-requests.ts'

export interface DoorOptions extends Partial<WebHdfsDoorOptions> {
  readonly fileSystem?: FileSystem
  readonly permissions?: Permissions
  readonly clock?: Clock
}

/** Namespaces: `data`, `other`, and `readonly`. */
export class WebHdfs {
  readonly memory: MemoryFileSystem
  readonly address: string
  readonly metrics: MetricRegistry
  readonly close: () => Promise<void>

  private constructor(parts: Pick<WebHdfs, 'memory' | 'address' | 'metrics' | 'close'>) {
    this.memory = parts.memory
    this.address = parts.address
    this.metrics = parts.metrics
    this.close = parts.close
  }

  static async start({ fileSystem, permissions, clock = systemClock, ...options }: DoorOptions = {}): Promise<WebHdfs> {
    const memory = new MemoryFileSystem(systemClock, ['data', 'other'])
    memory.addNamespace('readonly', true)
    const metrics = new MetricRegistry('gateway')
    const door = await startWebHdfsDoor({
      fileSystem: fileSystem ?? memory,
      options: { host: '127.0.0.1', port: 0, names: [], blockSizeBytes: 1024 * 1024, ...options },
      ...(permissions && { permissions }),
      pieces: sentMemory(96 * 1024 * 1024, clock),
      ...{ clock, logger: silentLogger, metrics },
    })
    return new WebHdfs({ memory, address: door.address, metrics, close: () => door.close(0) })
  }

  /** @param target a path below `/webhdfs/v1` with its query, encoded, or a whole URL */
  ask(method: string, target: string, sent?: PlainRequest): Promise<PlainAnswer> {
    const path = target.startsWith('http:') ? target.slice(`http://${this.address}`.length) : `/webhdfs/v1${target}`
    return plainly(this, method, path, sent)
  }

  /** The JSON of a successful answer. */
  async json(method: string, target: string): Promise<unknown> {
    const { status, headers, text } = await this.ask(method, target)
    if (status !== 200 || headers['content-type'] !== 'application/json') throw new Error(`${status}: ${text}`)
    return JSON.parse(text)
  }

  /** The status, the class and the message of a refusal; throws for another answer. */
  async refusal(method: string, target: string, sent?: PlainRequest): Promise<readonly [number, string, string]> {
    return refusalOf(await this.ask(method, target, sent))
  }

  /** Asks for the place, then for the bytes. */
  async read(path: string, query = ''): Promise<PlainAnswer> {
    const { status, headers, text } = await this.ask('GET', `${path}?op=OPEN${query}`)
    return status === 307 ? this.ask('GET', headers.location ?? '') : { status, headers, text }
  }

  async write(path: string, body: string | Uint8Array, query = ''): Promise<PlainAnswer> {
    const { headers } = await this.ask('PUT', `${path}?op=CREATE${query}`)
    return this.ask('PUT', headers.location ?? '', { body })
  }
}

export function refusalOf({ status, text }: PlainAnswer): readonly [number, string, string] {
  const { RemoteException: told } = JSON.parse(text) as {
    RemoteException: { exception: string; javaClassName: string; message: string }
  }
  if (!told.javaClassName.endsWith(`.${told.exception}`)) throw new Error(text)
  return [status, told.javaClassName, told.message]
}
