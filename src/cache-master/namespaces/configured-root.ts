// Why: the root mount may be set by a key, and `skein local` has one in its home without a word.
// How: at every start what is journaled is compared with what is set. Nothing is replaced: another
// URI refuses the start. The directory in the home goes where the home goes.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { rootMount } from '../../meta/resolve-path.ts'
import type { MasterContext } from '../master-context.ts'
import type { NamespaceService } from './namespaces.ts'

export interface WantedRoot {
  readonly uri: string
  /** The default of `skein local`, a directory in its home; else a key names it. */
  readonly isInHome: boolean
}

const key = 'goosefs.master.mount.table.root.ufs'

/**
 * Makes the root mount that is wanted, unless there is one.
 * @throws SkeinError failed_precondition when a key names another one than there is, and what its
 *   store says
 */
export async function mountConfiguredRoot(
  context: MasterContext,
  namespaces: NamespaceService,
  wanted: WantedRoot,
  signal: AbortSignal,
): Promise<void> {
  const known = rootMount(context.tables)
  if (known === undefined) return await create(context, namespaces, wanted, signal)
  if (plain(known.uri) === plain(wanted.uri)) return
  if (!wanted.isInHome)
    throw new SkeinError(
      'failed_precondition',
      `${key} is ${wanted.uri}, but the root mount is ${known.uri} already: set the key to ${known.uri} or to none, ` +
        "start, run 'skein ns delete --root', and start again with the new URI",
      { reason: 'config' },
    )
  if (known.inHome === true) await follow(context, known, wanted)
}

async function create(
  context: MasterContext,
  namespaces: NamespaceService,
  { uri, isInHome }: WantedRoot,
  signal: AbortSignal,
): Promise<void> {
  try {
    const request = { name: '/', uri, attributes: {}, secrets: {}, ...(isInHome && { inHome: true }) }
    await namespaces.create(request, { signal })
  } catch (thrown) {
    const error = toSkeinError(thrown)
    if (isInHome && !signal.aborted) {
      context.logger.warn('there is no root mount: its directory in the home cannot be used', { uri, error })
      return
    }
    const how = "correct it, or set it to none and run 'skein ns create --root' with attributes and secrets"
    throw new SkeinError(error.code, `${key}: ${error.message}: ${how}`, { reason: error.reason, cause: thrown })
  }
}

/** The home has moved, and its directory with it. */
async function follow(context: MasterContext, known: NamespaceRecord, { uri }: WantedRoot): Promise<void> {
  const { attributes, sealedSecrets, version } = known
  await context.log.submit({
    ...{ type: 'update_namespace', atMs: context.clock.nowMs(), namespaceId: known.id, version },
    ...{ attributes, sealedSecrets, uri, otherStore: true },
  })
  context.stores.follow(known.id)
}

function plain(uri: string): string {
  return uri.replace(/\/+$/, '')
}
