// Why: the options of a load arrive as numbers and texts. How: each is parsed here once, and
// invalid options are refused as wrong usage before any other call.
import { formatDuration } from '../../base/durations.ts'
import { SkeinError } from '../../base/errors.ts'
import type { LoadOptions } from '../../load/load.ts'
import type { HostChoice } from '../../load/placing/placement.ts'
import { checkSelectionCost, isSelective, type Selection, selectorOf } from '../../load/choice/selection.ts'
import type { LoadOptions as WireLoadOptions, SubmitLoadRequest } from '../../wire/generated/job.ts'
import type { JobMasterOptions } from './job-master-options.ts'
import { pacingOptions } from './pacing-options.ts'

const countMax = 1_000_000
const wordMax = 200
/** Ten years. */
const expireTimeMsMax = 3650 * 86_400_000

/** @throws SkeinError invalid_argument (reason `usage`), one line */
export function loadOptionsOf(
  request: Pick<SubmitLoadRequest, 'options' | 'indexId'>,
  defaults: Pick<JobMasterOptions, 'activeJobsDefault' | 'batchFiles'>,
): LoadOptions {
  try {
    return read(request, defaults)
  } catch (thrown) {
    if (thrown instanceof SkeinError && thrown.code === 'invalid_argument')
      throw new SkeinError('invalid_argument', thrown.message, { reason: 'usage', cause: thrown })
    throw thrown
  }
}

function read(
  { options: given, indexId }: Pick<SubmitLoadRequest, 'options' | 'indexId'>,
  defaults: Pick<JobMasterOptions, 'activeJobsDefault' | 'batchFiles'>,
): LoadOptions {
  const replication = count('--replication', given?.replication ?? 1, 1)
  const activeJobs = count('--active-jobs', given?.activeJobs ?? defaults.activeJobsDefault, 1)
  const batchSize = count('--batch-size', given?.batchSize ?? 0, 0)
  const selection = selectionOf(given?.selection)
  const hosts = hostsOf(given?.hosts)
  const resumedFrom = given?.resumedFrom ?? ''
  const {
    atomic = false,
    metadataOnly = false,
    verify = false,
    evict = false,
    keepReplication = false,
    expireTimeMs = 0,
    schedule = '',
    readyByMs = 0,
  } = given ?? {}
  if (atomic && (indexId !== undefined || selection !== undefined))
    throw invalid(
      '-A takes one whole path: not a list of paths, and no --include, --exclude, --size or --modified bounds',
    )
  if (expireTimeMs > expireTimeMsMax) throw invalid(`--expire-time is at most ${formatDuration(expireTimeMsMax)}`)
  if (atomic && metadataOnly) throw invalid('-A cannot be combined with --metadata-only')
  if (metadataOnly && verify) throw invalid('--verify cannot be combined with --metadata-only')
  return {
    replication,
    activeJobs,
    batchSize: batchSize === 0 ? defaults.batchFiles : batchSize,
    ...(keepReplication && { keepReplication }),
    ...(atomic && { atomic }),
    ...(atomic && expireTimeMs > 0 && { expireTimeMs }),
    ...(metadataOnly && { metadataOnly }),
    ...(verify && { verify }),
    ...(evict && { evict }),
    ...(selection !== undefined && { selection }),
    ...(hosts !== undefined && { hosts }),
    ...(schedule !== '' && { schedule }),
    ...(readyByMs > 0 && { readyByMs }),
    ...(resumedFrom !== '' && { resumedFrom }),
    ...pacingOptions(given),
  }
}

/** Converts the options to their wire format. */
export function wireOptionsOf({ selection, hosts, ...options }: LoadOptions): WireLoadOptions {
  return {
    ...options,
    ...(selection !== undefined && {
      selection: { ...selection, include: [...selection.include], exclude: [...selection.exclude] },
    }),
    ...(hosts !== undefined && {
      hosts: { ...hosts, hosts: [...hosts.hosts], excludedHosts: [...hosts.excludedHosts] },
    }),
  }
}

/** Undefined: the selection excludes nothing. */
function selectionOf(given: WireLoadOptions['selection']): Selection | undefined {
  if (!isSelective(given) || given === undefined) return undefined
  checkSelectionCost(given)
  selectorOf(given)
  const { include, exclude, sizeMin, sizeMax, modifiedAfterMs, modifiedBeforeMs } = given
  return {
    include,
    exclude,
    ...(sizeMin !== undefined && { sizeMin }),
    ...(sizeMax !== undefined && { sizeMax }),
    ...(modifiedAfterMs !== undefined && { modifiedAfterMs }),
    ...(modifiedBeforeMs !== undefined && { modifiedBeforeMs }),
  }
}

function hostsOf(given: WireLoadOptions['hosts']): HostChoice | undefined {
  if (given === undefined) return undefined
  const { hosts, excludedHosts, locality = '' } = given
  const wrong = [...hosts, ...excludedHosts, locality].find((host) => host.length > wordMax)
  if (wrong !== undefined) throw invalid(`'${wrong.slice(0, 40)}...' is too long for a host name`)
  const both = hosts.find((host) => excludedHosts.includes(host))
  if (both !== undefined) throw invalid(`${both} is in --hosts and in --excluded-hosts`)
  if (hosts.length === 0 && excludedHosts.length === 0 && locality === '') return undefined
  return { hosts, excludedHosts, ...(locality !== '' && { locality }) }
}

function count(name: string, value: number, minimum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > countMax)
    throw invalid(`${name} ${value}: must be a whole number from ${minimum} to ${countMax}`)
  return value
}

function invalid(message: string): SkeinError {
  return new SkeinError('invalid_argument', message)
}
