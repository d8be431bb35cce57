// Why: what a load is of comes in several forms: one path, several, templates, a list, a manifest.
// How: one path goes with the submission; anything else is a list, which is staged part by part
// before it.
import { isSkeinError } from '../../base/errors.ts'
import { firstNameOf } from '../../base/paths.ts'
import type { IndexItem } from '../../wire/generated/job.ts'
import { expandBraces, isTemplate } from './brace-template.ts'
import { type CommandContext, openFiles, openTarget, openTargets, type Target } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { notEmpty } from '../frame/numbers.ts'
import { joinGlobs, type PathGlob, pathGlob } from './path-glob.ts'
import { indexItems } from './path-list.ts'
import { manifestItems, openManifest } from './manifest.ts'

const partItems = 1000
/** Globs that the braces of one command may stand for. */
const globWordsMax = 50

/** What a command line names. */
export interface SourceFlags {
  /** A file, `-`, or true: the path is the file. */
  readonly index?: string | true
  readonly fromManifest?: string
}

/** What a submission says of what is loaded. */
export interface LoadSource {
  readonly target: Target
  readonly request: { readonly path: string; readonly indexId?: string }
  /** Globs that were written as paths: only what fits one of them is meant. */
  readonly include?: readonly string[]
}

/**
 * Finds the cluster and stages what is no single path. @throws SkeinError invalid_argument (usage),
 * and those of StageIndex
 */
export async function openSource(
  context: CommandContext,
  words: readonly string[],
  flags: SourceFlags,
): Promise<LoadSource> {
  if (flags.fromManifest !== undefined) notEmpty('--from-manifest', flags.fromManifest)
  if (typeof flags.index === 'string') notEmpty('--index', flags.index)
  if (flags.fromManifest !== undefined) return await fromManifest(context, words, flags)
  if (flags.index !== undefined) return await fromIndex(context, words, flags.index)
  const [first] = words
  if (first === undefined) throw usageError('give a path, --index FILE, or --from-manifest FILE')
  const globs = await globSource(context, words)
  if (globs !== undefined) return globs
  if (words.length === 1 && !isTemplate(first)) {
    const target = await openTarget(context, first)
    return { target, request: { path: target.path } }
  }
  const [name = first] = expandBraces(first)
  const target = await openTarget(context, name)
  return await staged(context, target, pathItems(context, name, words), undefined, 'the command line')
}

/**
 * Words that are globs, and no names of files that there are; undefined when there is none. @throws
 * SkeinError invalid_argument (usage)
 */
async function globSource(context: CommandContext, words: readonly string[]): Promise<LoadSource | undefined> {
  if (!words.some((word) => pathGlob(word) !== undefined)) return undefined
  const names = words.flatMap((word) => (isTemplate(word) ? [...firstOf(expandBraces(word), globWordsMax)] : [word]))
  const globs: PathGlob[] = []
  for (const name of names) {
    const glob = pathGlob(name)
    if (glob !== undefined && !(await isKnown(context, name))) globs.push(glob)
  }
  if (globs.length === 0) return undefined
  if (globs.length < names.length)
    throw usageError('a glob and a plain path cannot be combined: use two commands, or --include')
  const { base, patterns } = joinGlobs(globs)
  const target = await openTarget(context, base)
  return { target, request: { path: target.path }, include: patterns }
}

/** A key may have any character: a path that is there is meant as it is. */
async function isKnown(context: CommandContext, name: string): Promise<boolean> {
  const { files, path } = await openFiles(context, name)
  try {
    await files.stat(path, { signal: context.signal })
    return true
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return false
    throw thrown
  }
}

function* firstOf<T>(items: Iterable<T>, most: number): Generator<T, void, undefined> {
  let taken = 0
  for (const item of items) {
    if (taken === most) throw usageError(`more than ${most} globs at once: use --index`)
    taken += 1
    yield item
  }
}

async function* pathItems(
  context: CommandContext,
  first: string,
  words: readonly string[],
): AsyncGenerator<IndexItem, void, undefined> {
  for (const word of words)
    for (const text of expandBraces(word)) yield { path: (await openTargets(context, first, text)).to }
}

async function fromIndex(context: CommandContext, words: readonly string[], index: string | true): Promise<LoadSource> {
  const [file, base] = index === true ? words : [index, words[0]]
  if (file === undefined) throw usageError('--index needs a file, or - for stdin')
  if (words.length > (index === true ? 2 : 1))
    throw usageError('with --index give at most one path: the base directory of the listed names')
  const target = await openTarget(context, base ?? '/')
  return await staged(
    context,
    target,
    indexItems(file, base === undefined ? undefined : target.path),
    base === undefined ? undefined : target.path,
    file,
  )
}

async function fromManifest(
  context: CommandContext,
  words: readonly string[],
  { fromManifest: file = '', index }: SourceFlags,
): Promise<LoadSource> {
  if (index !== undefined) throw usageError('--index and --from-manifest cannot be combined')
  if (words.length > 1) throw usageError('with --from-manifest give at most one path: the namespace to load into')
  const manifest = await openManifest(file)
  const target = await openTarget(context, words[0] ?? `/${manifest.namespace}`)
  const call = { signal: context.signal }
  const { name: namespace, uri } = await target.cluster.master().getNamespace({ name: '', path: target.path }, call)
  if (uri.replace(/\/$/, '') !== manifest.uri.replace(/\/$/, ''))
    throw usageError(
      `${file} is a manifest of ${manifest.uri}, and /${namespace} is ${uri}: ` +
        'add the namespace of that bucket after the file name',
    )
  return await staged(context, target, manifestItems(file, namespace), undefined, file)
}

/** Stages the items and names the load by what their paths have in common, or by `name`. */
async function staged(
  context: CommandContext,
  target: Target,
  items: AsyncIterable<IndexItem>,
  name: string | undefined,
  where: string,
): Promise<LoadSource> {
  const staging = new Staging(target.cluster, context.uniqueId(), context.signal)
  for await (const item of items) await staging.add(item)
  await staging.flush()
  if (staging.common === undefined) throw usageError(`${where === '-' ? 'stdin' : where} contains no path`)
  return { target, request: { path: name ?? staging.common, indexId: staging.indexId } }
}

class Staging {
  readonly indexId: string
  readonly #cluster: Target['cluster']
  readonly #signal: AbortSignal
  readonly #seen = new Set<string>()
  #items: IndexItem[] = []
  #part = 0
  #namespaces: ReadonlySet<string> | undefined
  /** The directory that all paths are below; undefined while there is none. */
  common: string | undefined

  constructor(cluster: Target['cluster'], indexId: string, signal: AbortSignal) {
    this.#cluster = cluster
    this.indexId = indexId
    this.#signal = signal
  }

  /** A path that came before is passed over. */
  async add(item: IndexItem): Promise<void> {
    if (this.#seen.has(item.path)) return
    this.#seen.add(item.path)
    const before = this.common
    this.common = before === undefined ? directoryOf(item.path) : commonOf(before, item.path)
    if (this.common === '/' && before !== undefined) await this.#checkInRoot(item.path, firstNameOf(before))
    this.#items.push(item)
    if (this.#items.length === partItems) await this.flush()
  }

  /**
   * Paths with several first names are in the root mount, or in several namespaces. @param other a
   * first name that came before; empty: there are several
   */
  async #checkInRoot(path: string, other: string): Promise<void> {
    const names = (this.#namespaces ??= await this.#namesOfNamespaces())
    const inRoot = (first: string): boolean => first === '' || !names.has(first)
    if (names.has('') && inRoot(firstNameOf(path)) && inRoot(other)) return
    const where = other === '' || (names.has('') && inRoot(other)) ? 'the root mount' : `/${other}`
    throw usageError(`all paths of a load must be in one namespace: ${path} is not in ${where}`)
  }

  async #namesOfNamespaces(): Promise<ReadonlySet<string>> {
    const { namespaces } = await this.#cluster.master().listNamespaces({}, { signal: this.#signal })
    return new Set(namespaces.map(({ name }) => name))
  }

  async flush(): Promise<void> {
    const items = this.#items
    if (items.length === 0) return
    this.#items = []
    await this.#cluster
      .jobMaster()
      .stageIndex({ indexId: this.indexId, part: this.#part, items }, { signal: this.#signal })
    this.#part += 1
  }
}

/** `/ns/a/b` -> `/ns/a`; a namespace is its own. */
function directoryOf(path: string): string {
  const slash = path.replace(/\/$/, '').lastIndexOf('/')
  return slash <= 0 ? path : path.slice(0, slash)
}

/** The deepest directory above (or at) both. */
function commonOf(directory: string, path: string): string {
  let common = directory
  while (common !== '' && path !== common && !path.startsWith(`${common}/`))
    common = common.slice(0, common.lastIndexOf('/'))
  return common === '' ? '/' : common
}
