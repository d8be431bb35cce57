// Why: commands are tested whole, from their words to stdout, stderr and the exit code, against
// services in this process. How: a fake process, a clock that jumps, and services made of the
// functions that a test gives.
import { Buffer } from 'node:buffer'
import { type Clock, throwIfAborted } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { Cluster } from '../../../../src/client/cluster.ts'
import type { CliIo } from '../../../../src/cli/frame/context.ts'
import { runCli } from '../../../../src/cli/run.ts'
import type { Config } from '../../../../src/config/config.ts'
import { loadConfig } from '../../../../src/config/read-config.ts'
import { noCounts } from '../../../../src/cli/load/load-events.ts'
import type { JobServiceDefinition, LoadCounts, LoadStatus } from '../../../../src/wire/generated/job.ts'
import type { LifecycleServiceDefinition } from '../../../../src/wire/generated/lifecycle.ts'
import type { FileInfo, MasterServiceDefinition } from '../../../../src/wire/generated/master.ts'
import type { ScheduleServiceDefinition } from '../../../../src/wire/generated/schedule.ts'
import type { WorkerServiceDefinition } from '../../../../src/wire/generated/worker.ts'
import type { Service } from '../../../../src/wire/service.ts'
import { fakeFiles } from './fake-files.ts'

export interface FakeCluster {
  readonly master?: Partial<Service<MasterServiceDefinition>>
  readonly jobs?: Partial<Service<JobServiceDefinition>>
  readonly schedules?: Partial<Service<ScheduleServiceDefinition>>
  readonly lifecycle?: Partial<Service<LifecycleServiceDefinition>>
  /** By address. */
  readonly workers?: Readonly<Record<string, Partial<Service<WorkerServiceDefinition>>>>
  readonly files?: Readonly<Record<string, readonly string[]>>
  /** Takes the files that the command writes; those that are in it exist already. */
  readonly written?: Map<string, Buffer>
  /** Called after each chunk that is written or read: for changes and failures in the middle. */
  readonly onChunk?: () => void
  /** Awaited before the cluster is closed. */
  readonly onSettle?: () => Promise<void>
}

export interface RunOptions {
  readonly home?: string
  readonly terminal?: boolean
  readonly onStart?: (run: RunningCommand) => void
  readonly environment?: Readonly<Record<string, string>>
  /**
   * Called at each sleep of the command, before time jumps: for signals and changes in the middle.
   */
  readonly onSleep?: (run: RunningCommand, sleeps: number) => void
}

export interface RunningCommand {
  /** As SIGINT does. */
  stop(): void
  readonly stderr: string
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Addresses that were connected to. */
  readonly addresses: readonly string[]
  readonly exited: readonly number[]
  readonly closed: number
}

/** Runs one command line against fakes. Time jumps at each sleep. */
export async function run(
  argv: readonly string[],
  fake: FakeCluster = {},
  options: RunOptions = {},
): Promise<CommandResult> {
  let stdout = ''
  const listeners: (() => void)[] = []
  const exited: number[] = []
  const addresses: string[] = []
  let closed = 0
  let sleeps = 0
  let nowMs = 1_000_000
  const running = { stop: () => listeners.at(-1)?.(), stderr: '' }
  options.onStart?.(running)
  const io: CliIo = {
    stdout: (text) => void (stdout += text),
    writeBytes: async (bytes) => void (stdout += Buffer.from(bytes).toString()),
    stderr: (text) => void (running.stderr += text),
    stderrIsTerminal: options.terminal ?? false,
    columns: () => 100,
    onStop: (listener) => {
      listeners.push(listener)
      return () => {
        if (listeners.includes(listener)) listeners.splice(listeners.indexOf(listener), 1)
      }
    },
    setExitCode: () => undefined,
    exit: (code) => void exited.push(code),
  }
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms, signal) => {
      sleeps += 1
      options.onSleep?.(running, sleeps)
      await Promise.resolve()
      throwIfAborted(signal)
      nowMs += ms
    },
    schedule: () => () => undefined,
  }
  const cluster = (address: string, config: Config): Cluster => ({
    address,
    files: fakeFiles({
      master: strict(fake.master),
      lifecycle: strict(fake.lifecycle),
      config,
      hasOpenFile: fake.master?.openFile !== undefined,
      hasStatus: fake.master?.getStatus !== undefined,
      files: fake.files ?? {},
      written: fake.written ?? new Map(),
      clock,
      onChunk: () => fake.onChunk?.(),
      close: () => void (closed += 1),
    }),
    master: () => strict(fake.master),
    jobMaster: () => strict(fake.jobs),
    schedules: () => strict(fake.schedules),
    lifecycle: () => strict(fake.lifecycle),
    worker: (at) => strict(fake.workers?.[at]),
    async *readFile(path, _signal, range) {
      const whole = fake.files?.[path]
      if (whole === undefined) throw new SkeinError('not_found', `${path} does not exist`)
      const chunks = range === undefined ? whole : [whole.join('').slice(range.offset, range.offset + range.length)]
      for (const chunk of chunks) {
        yield Buffer.from(chunk)
        fake.onChunk?.()
      }
    },
    settle: async () => {
      await fake.onSettle?.()
    },
    close: () => void (closed += 1),
  })
  const code = await runCli(argv, io, async (global) => ({
    clock,
    environment: options.environment ?? {},
    uniqueId: () => 'unique',
    config: async (mode, more = {}) => {
      const machine = { homeDirectory: '/nowhere', hostname: 'box', cpus: 2, cwd: '/' }
      const home: Record<string, string> = options.home === undefined ? {} : { 'skein.home': options.home }
      return loadConfig({
        mode,
        definitions: { ...home, ...global.definitions, ...more },
        environment: options.environment ?? {},
        machine,
      })
    },
    connect: async (config) => {
      addresses.push(config.master.address)
      return cluster(config.master.address, config)
    },
  }))
  return { code, stdout, stderr: running.stderr, addresses, exited, closed }
}

/** A service that fails loudly where a test gave no method. */
function strict<S extends object>(methods: Partial<S> = {}): S {
  return new Proxy(methods, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name)
      if (method === undefined) throw new Error(`the command called ${String(name)}, which the test did not expect`)
      return method
    },
  }) as S
}

export function file(more: Partial<FileInfo> = {}): FileInfo {
  return {
    fileId: 1_048_575,
    path: '/data/test.txt',
    name: 'test.txt',
    folder: false,
    length: 14,
    blockSizeBytes: 134_217_728,
    etag: 'abc',
    createdMs: 1_618_193_473_555,
    modifiedMs: new Date(2021, 2, 11, 11, 46, 15, 0).getTime(),
    accessedMs: 1_616_763_603_692,
    persistenceState: 'PERSISTED',
    ufsPath: 'cosn://b-1/test.txt',
    owner: 'hadoop',
    group: 'hadoop',
    mode: 0o666,
    pinned: false,
    replicationMax: -1,
    replicationMin: 0,
    ttlMs: -1,
    ttlAction: 'FREE',
    cachedBytes: 14,
    namespaceId: 'n1',
    key: 'test.txt',
    mountPoint: false,
    replicas: 1,
    ...more,
  }
}

export function load(state: string, counts: Partial<LoadCounts> = {}, more: Partial<LoadStatus> = {}): LoadStatus {
  const ended = ['COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'].includes(state)
  return {
    loadId: 'L42',
    path: '/data',
    options: { replication: 1, activeJobs: 3000, batchSize: 0 },
    state,
    cancelling: false,
    counts: { ...noCounts, ...counts },
    listingDone: true,
    submittedMs: 1000,
    startedMs: 1000,
    endedMs: ended ? 3000 : 0,
    reason: '',
    errorCode: '',
    missingCapacityBytes: 0,
    nowMs: 2000,
    ...more,
  }
}
