// Why: what a command is given: where its output goes, the configuration, the cluster, time. How:
// everything that costs start-up time is behind a function, and tests replace any of it.
import { SkeinError } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import { pathOfText } from '../../base/paths.ts'
import type { Config, ConfigMode, MemoryConfig } from '../../config/config.ts'
import type { Cluster } from '../../client/cluster.ts'
import type { WholeFileSystem } from '../../client/upkeep/file-upkeep.ts'
import { type ExitCode, usageError } from './exit-codes.ts'
import { jsonText } from './json-document.ts'

/** The process around a command. */
export interface CliIo {
  readonly stdout: (text: string) => void
  /** Resolves when more is wanted. */
  readonly writeBytes: (bytes: Uint8Array) => Promise<void>
  readonly stderr: (text: string) => void
  readonly stderrIsTerminal: boolean
  /** Width of the terminal on stderr. */
  readonly columns: () => number
  /**
   * Calls `listener` at each SIGINT and SIGTERM, in place of the listener before, until the
   * returned function is called.
   */
  readonly onStop: (listener: () => void) => () => void
  /** What the process ends with when it has to end before the command does. */
  readonly setExitCode: (code: number) => void
  /** Ends the process at once. */
  readonly exit: (code: number) => void
  /**
   * Gives the process the bounds of its memory that it began without: it begins anew, if it can.
   * None: it is left as it is.
   */
  readonly boundMemory?: (config: MemoryConfig) => void
}

/** Options that any command takes, at any place of the command line. */
export interface GlobalOptions {
  readonly definitions: Readonly<Record<string, string>>
  readonly format: 'text' | 'json'
  readonly debug: boolean
}

export interface CommandContext {
  readonly io: CliIo
  readonly options: GlobalOptions
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A new unique word. */
  readonly uniqueId: () => string
  /** Aborts when the user stops the command, unless the command listens to io.onStop itself. */
  readonly signal: AbortSignal
  /** @throws SkeinError invalid_argument */
  readonly config: (mode: ConfigMode, more?: Readonly<Record<string, string>>) => Promise<Config>
  /**
   * Connects at the first call; closed by the caller of the command. `address` overrides the
   * configured one.
   */
  readonly connect: (config: Config) => Promise<Cluster>
  /**
   * To be told of every secret that the command reads, at once: no error of the command shows it.
   */
  readonly onSecret: (secret: string) => void
  /** Commands end with one of these; 0 when they do not say. */
  readonly setExitCode: (code: ExitCode) => void
}

/** A path as the user wrote it, and the cluster that it is in. */
export interface Target {
  readonly path: string
  readonly cluster: Cluster
  readonly config: Config
}

/**
 * The cluster of a path: the one that `gfs://host:port/...` names, else the configured one.
 * @throws SkeinError invalid_argument (usage) for a path that is none
 */
export async function openTarget(context: CommandContext, text: string): Promise<Target> {
  const path = checkedPath(text)
  const authority = authorityOf(text)
  const config = await context.config('client', authority === undefined ? {} : authorityKeys(authority))
  return { path, config, cluster: await context.connect(config) }
}

/**
 * Two paths of one cluster: the one that the first path names.
 * @throws SkeinError invalid_argument (usage) for a path that is none, and when the second path
 *   names another cluster
 */
export async function openTargets(
  context: CommandContext,
  fromText: string,
  toText: string,
): Promise<{ readonly cluster: Cluster; readonly from: string; readonly to: string }> {
  const to = checkedPath(toText)
  const { cluster, path: from } = await openTarget(context, fromText)
  if (authorityOf(toText) !== undefined && (await openTarget(context, toText)).cluster.address !== cluster.address)
    throw usageError('the two paths are in different clusters')
  return { cluster, from, to }
}

/** A path as the user wrote it, and the files of the cluster that it is in. */
export interface FileTarget {
  readonly path: string
  readonly files: WholeFileSystem
  readonly config: Config
}

/** As openTarget, for commands that need the files of the cluster only. */
export async function openFiles(context: CommandContext, text: string): Promise<FileTarget> {
  const { path, cluster, config } = await openTarget(context, text)
  return { path, files: cluster.files, config }
}

/** As openTargets, for commands that need the files of the cluster only. */
export async function openFilePair(
  context: CommandContext,
  fromText: string,
  toText: string,
): Promise<{ readonly files: WholeFileSystem; readonly from: string; readonly to: string }> {
  const { cluster, from, to } = await openTargets(context, fromText, toText)
  return { files: cluster.files, from, to }
}

/** The files of the configured cluster. */
export async function openConfiguredFiles(context: CommandContext): Promise<WholeFileSystem> {
  return (await openCluster(context)).files
}

/** The configured cluster. */
export async function openCluster(context: CommandContext): Promise<Cluster> {
  return context.connect(await context.config('client'))
}

/** Writes a command's result: the text, or one JSON document. */
export function writeResult(context: CommandContext, document: unknown, text: string): void {
  context.io.stdout(context.options.format === 'json' ? `${jsonText(document)}\n` : `${text}\n`)
}

function checkedPath(text: string): string {
  try {
    return pathOfText(text)
  } catch (thrown) {
    throw thrown instanceof SkeinError ? usageError(thrown.message) : thrown
  }
}

function authorityOf(text: string): string | undefined {
  return /^(?:gfs|goosefs|skein):\/\/([^/]+)/.exec(text)?.[1]
}

function authorityKeys(authority: string): Record<string, string> {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(authority)
  if (match?.[1] === undefined)
    throw usageError(`'${authority}' is not an address: write gfs://host:port/namespace/path`)
  const host = match[1].replace(/^\[|\]$/g, '')
  return { 'goosefs.master.hostname': host, ...(match[2] === undefined ? {} : { 'goosefs.master.rpc.port': match[2] }) }
}
