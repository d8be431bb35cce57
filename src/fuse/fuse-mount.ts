// Why: a mount is a device, a session and a tree that belong together. How: constructed here, and
// taken apart in the reverse order: the mount goes first, so that no new call comes; the calls and
// files that programs still have are served for a while; then the connection is ended.
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { isSkeinError, SkeinError } from '../base/errors.ts'
import type { FileSystem } from '../client/file-system.ts'
import type { FilesAhead } from '../client/open/files-ahead.ts'
import { DoorMetrics } from '../telemetry/door-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { DeviceConnection } from './device/device-connection.ts'
import {
  abortConnection,
  checkMountPoint,
  closeDevice,
  mountDevice,
  openDevice,
  setReadAhead,
  unmount,
} from './device/mount-command.ts'
import { mountedAt, readMountTable, skeinMountOf } from './device/mount-table.ts'
import { OpenHandles } from './files/open-handles.ts'
import { PagesAhead } from './files/pages-ahead.ts'
import { SiblingsAhead } from './files/siblings-ahead.ts'
import { UnfinishedFiles } from './files/unfinished-files.ts'
import { FuseSession } from './fuse-session.ts'
import { OutagePatience } from './outage-patience.ts'
import { replacedEntry, storedContent } from './protocol/notices.ts'
import { requestHeaderBytes } from './protocol/wire-numbers.ts'
import { KnownUsers } from './tree/known-users.ts'
import { MountedTree } from './tree/mounted-tree.ts'
import { NodeTable } from './tree/node-table.ts'

export interface FuseMountOptions {
  /** An absolute path without links. */
  readonly mountPoint: string
  /** Of the cluster. */
  readonly path: string
  readonly attributeMs: number
  readonly entryMs: number
  readonly outageWaitMs: number
  readonly requestBytesMax: number
  readonly readAheadBytes: number
  readonly requestsMax: number
  readonly readers: number
  readonly directBytesMin: number
  readonly allowOther: boolean
  readonly defaultPermissions: boolean
  readonly readOnly: boolean
  readonly nonEmpty: boolean
  readonly userId: number | undefined
  readonly groupId: number | undefined
  readonly umask: number
}

export interface FuseMountParts {
  readonly files: FileSystem
  readonly ahead: FilesAhead
  readonly options: FuseMountOptions
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
}

export interface FuseMount {
  /** Resolves when somebody else has unmounted it. */
  readonly ended: Promise<void>
  /** Unmounts, and gives programs this long to close their files. Idempotent. */
  close(patienceMs: number): Promise<void>
}

/** Headers and structures before the bytes of a write. */
const requestExtraBytes = 4096
const lookMs = 20
const endMs = 2000

/**
 * @throws SkeinError not_found (mount point, path), failed_precondition (no device, not empty,
 *   mounted already, not allowed)
 */
export async function startFuseMount(parts: FuseMountParts): Promise<FuseMount> {
  const { files, options, clock, logger, metrics } = parts
  const { mountPoint, path, requestBytesMax } = options
  const descriptor = openDevice()
  const closing = new AbortController()
  let device: DeviceConnection
  try {
    await checkMountPoint(mountPoint, options.nonEmpty)
    const status = await files.stat(path)
    if (status.kind !== 'directory')
      throw new SkeinError('failed_precondition', `${path} is a file: mount a directory of the cluster`)
    const nodes = new NodeTable(path)
    nodes.root.status = status
    const session = sessionOf(parts, nodes, closing.signal, () => device)
    device = new DeviceConnection(descriptor, {
      readers: options.readers,
      requestBytes: requestHeaderBytes + requestExtraBytes + requestBytesMax,
      onRequest: (bytes, done) => session.handle(bytes, done),
    })
    await mountDevice(descriptor, { ...options, pid: process.pid })
    device.start()
    // Answered when the kernel has the answer to INIT, which sets the read-ahead, too.
    await stat(mountPoint)
    setReadAhead(mountPoint, options.readAheadBytes)
    metrics.observe('skein_fuse_nodes', () => nodes.size)
    metrics.observe('skein_fuse_open_handles', () => session.openHandles)
    const ended = device.ended.catch((thrown: unknown) => {
      logger.error('the device of the mount failed', { error: String(thrown) })
    })
    let isClosed: Promise<void> | undefined
    const close = async (patienceMs: number): Promise<void> => {
      const row = mountedAt(mountPoint, readMountTable())
      const isOurs = row !== undefined && skeinMountOf(row)?.pid === process.pid
      if (isOurs) await leave(mountPoint, logger)
      const untilMs = clock.monotonicMs() + patienceMs
      const { signal } = new AbortController()
      const isBusy = (): boolean => session.inFlight > 0 || session.openHandles > 0
      while (isBusy() && clock.monotonicMs() < untilMs) await clock.sleep(lookMs, signal)
      closing.abort(new SkeinError('cancelled', 'unmounted'))
      await session.close()
      if (isOurs) abortConnection(row.device)
      await Promise.race([ended, clock.sleep(endMs, signal)])
      closeDevice(descriptor)
    }
    return { ended, close: (patienceMs) => (isClosed ??= close(patienceMs)) }
  } catch (thrown) {
    closeDevice(descriptor)
    throw thrown
  }
}

function sessionOf(
  { files, ahead, options, clock, logger, metrics }: FuseMountParts,
  nodes: NodeTable,
  closing: AbortSignal,
  device: () => DeviceConnection,
): FuseSession {
  const { userId, groupId, umask, requestBytesMax, attributeMs, entryMs } = options
  const users = new KnownUsers({ clock, userId: process.getuid?.() ?? 0, groupId: process.getgid?.() ?? 0 })
  const patience = new OutagePatience({ waitMs: options.outageWaitMs, clock })
  const unfinished = new UnfinishedFiles(nodes)
  const doorMetrics = new DoorMetrics('fuse', { metrics, clock })
  let leftOut = 0
  const onLeftOut = (path: string): void => {
    leftOut += 1
    if (leftOut === 1) logger.warn('an entry cannot be shown in a mount, and others may be', { path })
  }
  const shown = { userId, groupId, umask, users, preferredBytes: requestBytesMax }
  const { directBytesMin } = options
  const pages = new PagesAhead({
    ...{ nodes, unfinished, directBytesMin, clock },
    store: (nodeId, bytes) => device().notify(storedContent(nodeId, bytes)),
    onStored: (bytes) => {
      doorMetrics.sent(bytes)
      doorMetrics.onSource('cache', bytes)
    },
  })
  const siblings = new SiblingsAhead({ ahead, pages, entryMs, clock, logger, closing })
  const tree = new MountedTree({ files, nodes, unfinished, patience, siblings, shown, clock, onLeftOut })
  const handles = new OpenHandles({
    ...{ files, nodes, tree, unfinished, patience, users, siblings, pages, closing, directBytesMin },
    nowMs: () => clock.nowMs(),
    processOf,
    onSource: doorMetrics.onSource,
    onReplaced: (parentId, name) => void device().notify(replacedEntry(parentId, name)),
  })
  return new FuseSession({
    ...{ tree, handles, unfinished, patience, closing, clock, logger },
    wanted: { requestBytesMax, readAheadBytes: options.readAheadBytes, backgroundMax: options.requestsMax },
    times: { attributesMs: attributeMs, entryMs },
    device: {
      answer: (unique, body) => device().answer(unique, body),
      answerFramed: (unique, framed) => device().answerFramed(unique, framed),
      fail: (unique, errorNumber) => device().fail(unique, errorNumber),
    },
    metrics: doorMetrics,
  })
}

/** Programs that still use the mount keep what they have open; nobody else gets in. */
async function leave(mountPoint: string, logger: Logger): Promise<void> {
  try {
    await unmount(mountPoint)
  } catch (thrown) {
    if (isSkeinError(thrown, 'failed_precondition', 'busy')) {
      logger.warn('programs use the mount: it is detached, and ends with their files', { mountPoint })
      await unmount(mountPoint, { isLazy: true }).catch(() => undefined)
    }
  }
}

/** The process of a thread; undefined when it cannot be seen. */
function processOf(threadId: number): number | undefined {
  if (threadId === 0) return undefined
  try {
    const group = /^Tgid:\s*(\d+)/m.exec(readFileSync(`/proc/${threadId}/status`, 'utf8'))?.[1]
    return group === undefined ? undefined : Number(group)
  } catch {
    return undefined
  }
}
