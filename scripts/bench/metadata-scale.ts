// Why: what ten million files cost a cache master, and whether anything gets slower with them. How:
// a real master in a process of its own (metadata-scale-master.ts) over a synthetic listing; files
// come by SyncPage, page by page, as a load makes them known, workers report a block of each; then
// stat and ls by RPC, in turn with a master of 100,000 files (--first), restarts (killed, stopped,
// power lost), and all three ways in which files go: gone from the listing, rm -R, a deleted
// namespace.
//
//   node scripts/bench/metadata-scale.ts [--files 1000000] [--first 100000] [--workers 4]
//     [--replicas 1] [--samples 20000] [--dir <folder>] [--json <file>]
import { appendFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { blockIdOf } from '../../src/base/block-id.ts'
import { systemClock } from '../../src/base/clock.ts'
import { isSkeinError } from '../../src/base/errors.ts'
import { LmdbTables } from '../../src/cache-master/state/lmdb-tables.ts'
import { LmdbState } from '../../src/journal/state/lmdb-state.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { ratioOf, sample } from './metadata-scale-calls.ts'
import type { Calls, Latency, MetadataScale, Moment } from './metadata-scale-figures.ts'
import type { MasterFigures } from './metadata-scale-master.ts'
import {
  blocksPerReport,
  filesMax,
  firstFiles,
  removedFiles,
  replicas,
  trees,
  values,
  workers,
} from './metadata-scale-options.ts'
import { call, MasterProcess } from './metadata-scale-process.ts'
import { objectsPerDirectory } from './synthetic-listing.ts'

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const nothing = { p50Ms: 0, p90Ms: 0, p99Ms: 0 }
const scale: MetadataScale = {
  ...{
    files: filesMax,
    figures: {},
    calls: {},
    deletions: [],
    ratios: { stat: nothing, ls: nothing },
    restart: { killedMs: 0, stoppedMs: 0, powerLostMs: 0 },
  },
  ...{ createdPerSecond: 0, reportedPerSecond: 0, countMs: 0, renameMs: 0, reportedAgainMs: 0, blocksFreed: 0 },
}

function show(name: string, text: string): void {
  console.log(`${name.padEnd(18)} ${text}`)
}

async function registerWorkers({ service }: MasterProcess): Promise<void> {
  for (const worker of workers) {
    const addresses = { rpcAddress: `${worker.workerId}:1`, dataAddress: `${worker.workerId}:2`, webAddress: '' }
    const directories = [{ path: '/d', tier: 'SSD', mediumType: 'SSD', quotaBytes: 2 ** 44, usedBytes: 0 }]
    worker.session = (
      await service.registerWorker(
        { workerId: worker.workerId, hostname: worker.workerId, ...addresses, directories },
        call,
      )
    ).session
  }
}

/** Reports the first block of each file to as many workers as there are replicas. */
async function report({ service }: MasterProcess, fileIds: readonly number[]): Promise<void> {
  const added = workers.map((): number[] => [])
  for (const [index, fileId] of fileIds.entries()) {
    for (let replica = 0; replica < replicas; replica += 1) {
      added[(Math.floor(index / 250) + replica) % workers.length]?.push(blockIdOf(fileId, 0))
    }
  }
  for (const [index, worker] of workers.entries()) {
    const request = { ...worker, added: added[index] ?? [], removed: [], fullReportEnd: true, directories: [] }
    const { unknown } = await service.reportBlocks(request, call)
    if (unknown.length > 0) throw new Error(`the master does not know ${unknown.length} blocks`)
  }
}

/** Makes a tree known, as a load does, page by page. */
async function load(
  master: MasterProcess,
  namespace: string,
  tree: string,
  keepIds?: number[],
): Promise<{ readonly syncMs: number; readonly reportMs: number }> {
  const ids: number[] = []
  let syncMs = 0
  let reportMs = 0
  let cursor = ''
  do {
    const startedMs = performance.now()
    const page = await master.service.syncPage(
      { path: `/${namespace}/${tree}/`, cursor, limit: objectsPerDirectory },
      call,
    )
    const syncedMs = performance.now()
    syncMs += syncedMs - startedMs
    cursor = page.nextCursor
    for (const { fileId } of page.files) {
      ids.push(fileId)
      keepIds?.push(fileId)
    }
    if (ids.length >= blocksPerReport || cursor === '') await report(master, ids.splice(0))
    reportMs += performance.now() - syncedMs
  } while (cursor !== '')
  return { syncMs, reportMs }
}

async function note(moment: Moment, master: MasterProcess): Promise<MasterFigures> {
  const figures = await master.ask({ what: 'figures' })
  scale.figures[moment] = figures
  const { rssBytes, anonymousBytes, fileBackedBytes, stateUsedBytes, stateFileBytes, snapshotBytes, journalBytes } =
    figures
  const memory = `RSS ${mebibytes(rssBytes)} (own ${mebibytes(anonymousBytes)}, files ${mebibytes(fileBackedBytes)})`
  const disk =
    `state ${mebibytes(stateUsedBytes)} of ${mebibytes(stateFileBytes)}, snapshot ${mebibytes(snapshotBytes)}, ` +
    `journal ${mebibytes(journalBytes)}`
  const loop = `stall max ${figures.stallMaxMs.toFixed(0)} ms, p99 ${figures.stallP99Ms.toFixed(1)} ms`
  show(moment, `${figures.files} files; ${memory}; ${disk}; block map ${mebibytes(figures.blockMapBytes)}; ${loop}`)
  return figures
}

function showCalls(name: string, { stat, ls }: Calls): void {
  const text = ({ p50Ms, p99Ms }: Latency): string => `p50 ${p50Ms.toFixed(3)} p99 ${p99Ms.toFixed(3)} ms`
  show(name, `stat ${text(stat)}; ls of ${objectsPerDirectory} ${text(ls)}`)
}

/**
 * Has the workers delete what they are told to, until `done` and nothing is left to tell. @returns
 * how many blocks
 */
async function freeBlocks({ service }: MasterProcess, done: () => boolean): Promise<number> {
  const freed = await Promise.all(
    workers.map(async (worker) => {
      for (let count = 0; ;) {
        const isLast = done()
        const { freeBlocks: ids } = await service.workerHeartbeat({ ...worker, directories: [], counters: {} }, call)
        if (ids.length === 0 && isLast) return count
        count += ids.length
        if (ids.length === 0) await systemClock.sleep(20, call.signal)
        else
          await service.reportBlocks({ ...worker, added: [], removed: ids, fullReportEnd: true, directories: [] }, call)
      }
    }),
  )
  return freed.reduce((sum, count) => sum + count, 0)
}

/** Takes files away, in one of the ways, and waits until nothing is left of them. */
async function takeAway(
  master: MasterProcess,
  what: Moment,
  tree: string,
  filesLeft: number,
  begin: () => Promise<unknown>,
): Promise<void> {
  let gone = false
  const freeing = freeBlocks(master, () => gone)
  // It ends with the master, whose end has another cause.
  freeing.catch(() => undefined)
  const startedMs = performance.now()
  await begin()
  const answeredMs = performance.now() - startedMs
  let figures = await master.ask({ what: 'figures' })
  let { stallMaxMs } = figures
  while (figures.files > filesLeft) {
    await systemClock.sleep(200, call.signal)
    figures = await master.ask({ what: 'figures' })
    stallMaxMs = Math.max(stallMaxMs, figures.stallMaxMs)
  }
  const perSecond = (1000 * (trees[tree] ?? 0)) / (performance.now() - startedMs)
  gone = true
  const freed = await freeing
  scale.blocksFreed += freed
  scale.deletions.push({ what, perSecond, answeredMs, stallMaxMs })
  const stall = `stall max ${stallMaxMs.toFixed(0)} ms`
  show(
    what,
    `${perSecond.toFixed(0)} files/s, answered after ${(answeredMs / 1000).toFixed(2)} s, ${freed} blocks ` +
      `freed, ${stall}`,
  )
  await note(what, master)
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly tookMs: number; readonly result: T }> {
  const startedMs = performance.now()
  const result = await work()
  return { tookMs: performance.now() - startedMs, result }
}

/** Moves a directory of the stopped master's state and back again. */
async function renameLargest(master: MasterProcess): Promise<number> {
  const state = await LmdbState.open({ directory: master.stateDirectory, logger: silentLogger })
  try {
    const tables = new LmdbTables(state)
    const namespaceId = [...tables.namespaces()].find(({ name }) => name === 'kept')?.id ?? ''
    const startedMs = performance.now()
    for (const [from, to] of [
      ['removed/', 'moved/'],
      ['moved/', 'removed/'],
    ] as const) {
      const [applied] = tables.apply([{ type: 'rename', atMs: 0, namespaceId, from, to }], state.lastApplied, 0)
      if (applied?.refused !== undefined) throw applied.refused
    }
    return (performance.now() - startedMs) / 2
  } finally {
    await state.close()
  }
}

async function create(master: MasterProcess, name: string): Promise<void> {
  await master.service.createNamespace({ name, uri: 's3://synthetic', secrets: {}, attributes: {} }, call)
}

/** The listings, then all calls of users. */
async function fill(master: MasterProcess, small: MasterProcess, fileIds: number[]): Promise<void> {
  await small.start()
  await create(small, 'kept')
  await registerWorkers(small)
  await load(small, 'kept', 'listed')
  await master.start()
  await create(master, 'kept')
  await create(master, 'gone')
  await registerWorkers(master)
  await note('empty', master)
  await load(master, 'kept', 'listed', fileIds)
  await note('atFirst', master)
  const removed = await load(master, 'kept', 'removed', fileIds)
  const deleted = await load(master, 'gone', 'deleted', fileIds)
  scale.createdPerSecond = (1000 * (filesMax - firstFiles)) / (removed.syncMs + deleted.syncMs)
  scale.reportedPerSecond = (1000 * replicas * (filesMax - firstFiles)) / (removed.reportMs + deleted.reportMs)
  show(
    'created',
    `${scale.createdPerSecond.toFixed(0)} files/s by SyncPage, ${scale.reportedPerSecond.toFixed(0)} blocks/s reported`,
  )
  const { blockMapBytes } = await note('atAll', master)
  show('block map', `${(blockMapBytes / filesMax).toFixed(2)} bytes a block of ${replicas} replicas`)
  const kept = { namespace: 'kept', tree: 'listed' }
  const all = [kept, { namespace: 'kept', tree: 'removed' }, { namespace: 'gone', tree: 'deleted' }]
  const [few, many] = await sample([
    { master: small, trees: [kept] },
    { master, trees: all },
  ])
  if (few === undefined || many === undefined) throw new Error('nothing was sampled')
  Object.assign(scale.calls, { few, many })
  showCalls(`calls, ${firstFiles}`, few)
  showCalls(`calls, ${filesMax}`, many)
  await note('afterCalls', master)
  scale.ratios = { stat: ratioOf(many.stat, few.stat), ls: ratioOf(many.ls, few.ls) }
  const text = ({ p50Ms, p90Ms, p99Ms }: Latency): string =>
    `p50 ${p50Ms.toFixed(2)} p90 ${p90Ms.toFixed(2)} p99 ${p99Ms.toFixed(2)}`
  show('ratios', `stat ${text(scale.ratios.stat)}; ls ${text(scale.ratios.ls)}`)
  await small.stop('close')
  const counted = await timed(() => master.service.count({ path: '/kept/removed' }, call))
  scale.countMs = counted.tookMs
  show('count', `${counted.result.files} files in ${(counted.tookMs / 1000).toFixed(2)} s`)
  await note('afterCount', master)
}

async function restart(master: MasterProcess, fileIds: readonly number[]): Promise<void> {
  await master.stop('SIGKILL')
  const killedMs = await master.start()
  await master.stop('close')
  const stoppedMs = await master.start()
  await master.stop('SIGKILL')
  appendFileSync(join(master.stateDirectory, 'opened-in-boot'), '-another')
  const powerLostMs = await master.start()
  scale.restart = { killedMs, stoppedMs, powerLostMs }
  const seconds = Object.entries(scale.restart).map(
    ([how, ms]) => `${(ms / 1000).toFixed(2)} s ${how.slice(0, -'Ms'.length)}`,
  )
  show('restart', seconds.join(', '))
  await note('restarted', master)
  await master.stop('close')
  scale.renameMs = await renameLargest(master)
  show('rename', `${scale.renameMs.toFixed(2)} ms for a directory of ${removedFiles} files`)
  await master.start()
  await registerWorkers(master)
  const reported = await timed(async () => {
    for (let at = 0; at < fileIds.length; at += blocksPerReport)
      await report(master, fileIds.slice(at, at + blocksPerReport))
  })
  scale.reportedAgainMs = reported.tookMs
  show('reported again', `${(reported.tookMs / 1000).toFixed(1)} s`)
  await note('afterReports', master)
}

async function empty(master: MasterProcess): Promise<void> {
  await master.ask({ what: 'forget', tree: 'listed' })
  await takeAway(master, 'goneFromListing', 'listed', filesMax - firstFiles, async () => {
    for (let cursor = ''; ;) {
      const page = await master.service
        .syncPage({ path: '/kept/listed/', cursor, limit: objectsPerDirectory }, call)
        .catch((error: unknown) => {
          // All of it was gone within the first call: so is the directory.
          if (!isSkeinError(error, 'not_found')) throw error
        })
      cursor = page?.nextCursor ?? ''
      if (cursor === '') return
    }
  })
  const remove = { path: '/kept/removed', recursive: true, cacheOnly: true }
  await takeAway(master, 'removed', 'removed', filesMax - firstFiles - removedFiles, () =>
    master.lifecycle.delete(remove, call),
  )
  await takeAway(master, 'namespaceDeleted', 'deleted', 0, () => master.service.deleteNamespace({ name: 'gone' }, call))
  await master.stop('close')
  await master.start()
  await note('end', master)
  await master.stop('close')
}

async function main(): Promise<void> {
  await mkdir(values.dir, { recursive: true })
  const root = await mkdtemp(join(values.dir, 'skein-bench-metadata-'))
  const master = new MasterProcess(root, 'all', trees)
  const small = new MasterProcess(root, 'few', trees)
  try {
    const fileIds: number[] = []
    await fill(master, small, fileIds)
    await restart(master, fileIds)
    await empty(master)
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(scale, undefined, 2))
  } finally {
    await master.stop('SIGKILL')
    await small.stop('SIGKILL')
    await rm(root, { recursive: true, force: true })
  }
}

await main()
