// Why: the ports of all doors are opened, counted and closed in the same way. How: each door makes
// its server, which may need settings of its own, and says who serves its requests.
import type { Server } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { PieceLender } from '../base/flow/lent-pieces.ts'
import type { FileSystem } from '../client/file-system.ts'
import type { DoorMetrics } from '../telemetry/door-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { closeHttp, httpServerOptions, listenHttp, type ListenOptions } from '../wire/http/http-listen.ts'
import type { DoorExchange, DoorRequests } from './door-requests.ts'

export interface DoorParts<Options> {
  /** Stays open when the door closes. */
  readonly fileSystem: FileSystem
  readonly options: Options
  /** Memory for files that are being sent, of all doors of the process (sent-memory.ts). */
  readonly pieces: PieceLender
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Pick<MetricRegistry, 'add' | 'observe' | 'record'>
}

export interface RunningDoor {
  /** `host:port` */
  readonly address: string
  /** Lets running requests finish for `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>
}

export const doorServerOptions = {
  ...httpServerOptions,
  highWaterMark: 256 * 1024,
  /** Of the head of a request; Node.js answers 431 to larger ones. */
  maxHeaderSize: 32 * 1024,
} as const

/** @throws SkeinError failed_precondition (`port_taken`, `cannot_listen`) */
export async function openDoorPort<Exchange extends DoorExchange, Reply>(
  server: Server,
  requests: DoorRequests<Exchange, Reply>,
  {
    clock,
    metrics,
    ...listening
  }: { clock: Clock; metrics: DoorMetrics } & Omit<ListenOptions, 'serve' | 'refuse' | 'cutOne'>,
): Promise<RunningDoor> {
  const { address, guard } = await listenHttp(server, {
    ...listening,
    serve: (request, response, awaitsContinue) => void requests.serve(request, response, awaitsContinue),
    refuse: (request, response, awaitsContinue, error) => void requests.serve(request, response, awaitsContinue, error),
    cutOne: (peer) => requests.cutOne(peer),
  })
  metrics.observePort({ connections: () => guard.connections, rejections: () => guard.turnedAway })
  return { address, close: (graceMs) => closeHttp(server, clock, graceMs, () => requests.abortAll()) }
}
