// Why: `skein fsadmin adopt`: a master that was lost leaves blocks behind that nobody else has; the
// next one may take the workers over, and people want their files back. How: the master is told
// whose workers may come. What such workers keep is asked of each of them
// (cache-worker/blocks/kept-blocks.ts), put together to files by namespace, key and offset, written
// anew as any file is, and let go only when that has succeeded.
import { toSkeinError } from '../../base/errors.ts'
import { formatPath, pathOfText } from '../../base/paths.ts'
import type { Cluster } from '../../client/cluster.ts'
import { writeWhole } from '../../client/write/write-whole.ts'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'
import { asUsage, exitCodes, usageError } from '../frame/exit-codes.ts'
import { filesOfBlocks, type KeptFile, type PlacedBlock } from './kept-files.ts'
import { longCallMs } from '../frame/long-call.ts'
import { notEmpty } from '../frame/numbers.ts'
import { printable } from '../frame/printable.ts'

export interface AdoptFlags {
  readonly list?: true
  readonly recover?: true
  readonly into?: string
  readonly release?: true
}

const chunkBytes = 1024 ** 2
/** Every block's file is looked at. */
const listMs = 60_000

export async function adopt(context: CommandContext, id: string | undefined, flags: AdoptFlags): Promise<void> {
  const asked = [id !== undefined, flags.list === true, flags.recover === true, flags.release === true].filter(
    Boolean,
  ).length
  if (asked !== 1) throw usageError('give the id of the cluster to adopt, or one of --list, --recover, --release')
  if (flags.into !== undefined && flags.recover !== true) throw usageError('--into requires --recover')
  if (flags.into !== undefined) checkDirectory(flags.into)
  const cluster = await openCluster(context)
  if (id !== undefined) return adoptCluster(context, cluster, id)
  const { files, silent } = await keptFiles(context, cluster)
  for (const why of silent) context.io.stderr(`${printable(why)}\n`)
  if (silent.length > 0) context.setExitCode(exitCodes.partial)
  if (flags.recover === true) return recover(context, cluster, files, flags.into)
  if (flags.release === true) return release(context, cluster, files)
  const text =
    files.length === 0
      ? 'No worker keeps blocks of files that are unknown to the master.'
      : files.map(fileText).join('\n')
  writeResult(context, { entries: files.map(fileDocument) }, text)
}

/** @throws SkeinError invalid_argument (usage) */
function checkDirectory(text: string): void {
  if (asUsage('--into: ', () => pathOfText(notEmpty('--into', text))) === '/')
    throw usageError('--into needs a directory in a namespace, such as /namespace/recovered')
}

async function adoptCluster(context: CommandContext, cluster: Cluster, id: string): Promise<void> {
  const { wasAdopted } = await cluster.master().adoptCluster({ id }, { signal: context.signal, deadlineMs: longCallMs })
  const text =
    `Workers of ${printable(id)} can now join. They drop blocks that are also at the store, ` +
    "and keep blocks that exist nowhere else ('fsadmin adopt --list')."
  writeResult(context, { id, wasAdopted }, text)
}

/** What the live workers keep, and which of them could not be asked. */
async function keptFiles(
  context: CommandContext,
  cluster: Cluster,
): Promise<{ readonly files: KeptFile[]; readonly silent: string[] }> {
  const { workers } = await cluster.master().listWorkers({}, { signal: context.signal })
  const { namespaces } = await cluster.master().listNamespaces({}, { signal: context.signal })
  const blocks: PlacedBlock[] = []
  const silent: string[] = []
  for (const { live, rpcAddress, hostname } of workers) {
    if (!live) {
      silent.push(`worker ${hostname} is lost: the blocks that it keeps are unknown`)
      continue
    }
    try {
      const list = await cluster.worker(rpcAddress).listKeptBlocks({}, { signal: context.signal, deadlineMs: listMs })
      if (list.total > list.blocks.length)
        silent.push(`worker ${hostname} keeps ${list.total} blocks and lists ${list.blocks.length} at a time`)
      for (const block of list.blocks) {
        if (block.header !== undefined) blocks.push({ rpcAddress, clusterId: block.clusterId, header: block.header })
      }
    } catch (thrown) {
      silent.push(`worker ${hostname} did not list the blocks that it keeps: ${toSkeinError(thrown).message}`)
    }
  }
  return {
    files: filesOfBlocks(blocks, new Map(namespaces.map(({ namespaceId, name }) => [namespaceId, name]))),
    silent,
  }
}

async function recover(
  context: CommandContext,
  cluster: Cluster,
  files: readonly KeptFile[],
  into: string | undefined,
): Promise<void> {
  const done: { path: string; bytes: number }[] = []
  const failed: { key: string; why: string }[] = []
  for (const file of files) {
    try {
      const path = pathOf(file, into)
      await writeWhole(cluster.files, path, file.length, () => bytesOf(context, cluster, file), context.signal)
      done.push({ path, bytes: file.length })
      await releaseBlocks(context, cluster, [...file.blocks, ...file.copies])
      if (context.options.format !== 'json') context.io.stdout(`Recovered ${printable(path)} (${file.length} bytes)\n`)
    } catch (thrown) {
      context.signal.throwIfAborted()
      failed.push({ key: file.key, why: toSkeinError(thrown).message })
      context.io.stderr(`${printable(file.key)}: ${printable(toSkeinError(thrown).message)}\n`)
    }
  }
  const text =
    `${done.length} files were recovered, ${failed.length} were not. ` +
    'Compare the file sizes with the expected sizes: blocks on lost workers are missing.'
  writeResult(context, { recovered: done, failed }, files.length === 0 ? 'There is nothing to recover.' : text)
  if (failed.length > 0) context.setExitCode(exitCodes.partial)
}

async function release(context: CommandContext, cluster: Cluster, files: readonly KeptFile[]): Promise<void> {
  let released = 0
  for (const file of files) released += await releaseBlocks(context, cluster, [...file.blocks, ...file.copies])
  writeResult(context, { released }, `Permanently deleted ${released} blocks of ${files.length} files.`)
}

function pathOf({ key, namespace, namespaceId, problem }: KeptFile, into: string | undefined): string {
  if (problem !== undefined) throw usageError(problem)
  if (into !== undefined) return pathOfText(`${into.replace(/\/$/, '')}/${key}`)
  if (namespace === undefined)
    throw usageError(`its namespace (${namespaceId}) does not exist: give a directory with --into`)
  return pathOfText(formatPath({ namespace, key }))
}

async function* bytesOf(context: CommandContext, cluster: Cluster, file: KeptFile): AsyncGenerator<Uint8Array> {
  for (const { rpcAddress, clusterId, header } of file.blocks) {
    for (let offset = 0; offset < header.length; offset += chunkBytes) {
      const length = Math.min(chunkBytes, header.length - offset)
      const request = { clusterId, blockId: header.blockId, offset, length }
      yield (await cluster.worker(rpcAddress).readKeptBlock(request, { signal: context.signal })).data
    }
  }
}

async function releaseBlocks(
  context: CommandContext,
  cluster: Cluster,
  blocks: readonly PlacedBlock[],
): Promise<number> {
  let released = 0
  for (const { rpcAddress, clusterId, header } of blocks) {
    const request = { blocks: [{ clusterId, blockId: header.blockId, offset: 0, length: 0 }] }
    released += (await cluster.worker(rpcAddress).releaseKeptBlocks(request, { signal: context.signal })).released
  }
  return released
}

function fileText(file: KeptFile): string {
  const where =
    file.namespace === undefined
      ? `(namespace ${file.namespaceId}) ${file.key}`
      : formatPath({ namespace: file.namespace, key: file.key })
  return (
    `${printable(where)}  ${file.length} bytes, ` +
    `${file.blocks.length} blocks${file.problem === undefined ? '' : `: ${file.problem}`}`
  )
}

function fileDocument({ key, namespace, namespaceId, length, blocks, clusterId, problem }: KeptFile): object {
  return {
    key,
    namespace: namespace ?? null,
    namespaceId,
    clusterId,
    bytes: length,
    blocks: blocks.length,
    problem: problem ?? null,
  }
}
