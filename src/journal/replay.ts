// Why: a start applies the journal entries that the state does not have. An entry that cannot be
// applied would fail every start, so the error names it and a way out. How: in groups, one
// transaction each. If a group fails, its entries are applied one by one, so that the entries
// before the bad one are kept and the bad one is known. An entry is skipped only if it really
// cannot be applied.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Applied, CommandState } from './command-state.ts'
import type { Journal } from './journal.ts'

/** Maximum of one transaction, unless a single command is larger. */
const groupMax = 512
const groupBytesMax = 1024 ** 2

/** An entry to skip, which an older version journaled and no version can apply. */
export interface JournalSkip {
  /** For messages: the configuration key that names the entry. */
  readonly key: string
  /** 0n: none. */
  readonly sequence: bigint
}

/** See CommandLogOptions. */
export interface ReplayOptions<Command, Result, Effect> {
  readonly journal: Pick<Journal, 'read'>
  readonly state: CommandState<Command, Result, Effect>
  readonly check: (command: Command) => string | undefined
  readonly decode: (bytes: Uint8Array) => Command
  readonly onEffect?: (effect: Effect) => void
  readonly skip?: JournalSkip | undefined
  readonly logger: Logger
}

interface Entry<Command> {
  readonly seq: bigint
  readonly command: Command
  readonly bytes: number
}

/**
 * Applies the journal up to `last`.
 * @throws SkeinError data_loss when an entry is missing or cannot be applied
 */
export async function replay<Command, Result, Effect>(
  options: ReplayOptions<Command, Result, Effect>,
  last: bigint,
): Promise<void> {
  const { journal, state, logger } = options
  const from = state.lastApplied + 1n
  let expected = from
  let group: Entry<Command>[] = []
  let groupBytes = 0
  for await (const { seq, bytes } of journal.read(from)) {
    if (seq !== expected) throw missingEntry(expected)
    expected += 1n
    const command = decoded(options, seq, bytes)
    if (command === undefined) {
      applyGroup(options, group)
      group = []
      groupBytes = 0
      leaveOut(options, seq, bytes.length, 'entry', 'it cannot be decoded')
      continue
    }
    group.push({ seq, command, bytes: bytes.length })
    groupBytes += bytes.length
    if (group.length < groupMax && groupBytes < groupBytesMax) continue
    applyGroup(options, group)
    group = []
    groupBytes = 0
  }
  applyGroup(options, group)
  if (expected <= last) throw missingEntry(expected)
  logger.info('journal replayed', { from, to: expected - 1n })
}

/** Undefined: the entry cannot be decoded and must be skipped. */
function decoded<Command, Result, Effect>(
  { decode, skip }: ReplayOptions<Command, Result, Effect>,
  seq: bigint,
  bytes: Uint8Array,
): Command | undefined {
  try {
    return decode(bytes)
  } catch (thrown) {
    if (skip?.sequence === seq) return undefined
    throw badEntry(seq, 'entry', toSkeinError(thrown).message, skip?.key, thrown)
  }
}

function applyGroup<Command, Result, Effect>(
  options: ReplayOptions<Command, Result, Effect>,
  group: readonly Entry<Command>[],
): void {
  const last = group.at(-1)
  if (last === undefined) return
  const { state, onEffect, logger, skip, check } = options
  const commands = group.map(({ command }) => command)
  const bytes = group.reduce((sum, entry) => sum + entry.bytes, 0)
  const named = group.find(({ seq }) => seq === skip?.sequence)
  let applied: readonly Applied<Result, Effect>[]
  try {
    applied = state.apply(commands, last.seq, bytes)
  } catch (thrown) {
    if (group.length > 1) {
      for (const entry of group) applyGroup(options, [entry])
      return
    }
    const why = check(last.command) ?? toSkeinError(thrown).message
    if (named === undefined) throw badEntry(last.seq, typeOf(last.command), why, skip?.key, thrown)
    leaveOut(options, last.seq, last.bytes, typeOf(last.command), why)
    return
  }
  if (named !== undefined) {
    const message = 'the journal entry to skip can be applied, so it was not skipped'
    logger.warn(message, { key: skip?.key, sequence: named.seq, type: typeOf(named.command) })
  }
  for (const one of applied) if (one.refused === undefined) for (const effect of one.effects ?? []) onEffect?.(effect)
}

/** Continues after the entry as if it had changed nothing. */
function leaveOut<Command, Result, Effect>(
  { state, skip, logger }: ReplayOptions<Command, Result, Effect>,
  seq: bigint,
  bytes: number,
  type: string,
  why: string,
): void {
  state.apply([], seq, bytes)
  logger.warn('skipped a journal entry: its change is lost', { key: skip?.key, sequence: seq, type, why })
}

function badEntry(seq: bigint, type: string, why: string, key: string | undefined, cause: unknown): SkeinError {
  const way =
    key === undefined
      ? 'restore a backup'
      : `start once with ${key}=${seq} to skip this one change, or restore a backup`
  return new SkeinError('data_loss', `entry ${seq} of the journal (${type}) cannot be applied: ${why}; ${way}`, {
    reason: 'journal_entry',
    cause,
  })
}

function missingEntry(seq: bigint): SkeinError {
  return new SkeinError(
    'data_loss',
    `entry ${seq} of the journal is missing, and the state needs it: restore a backup of both`,
  )
}

/** The type of a command, for messages. */
export function typeOf(command: unknown): string {
  const type: unknown = typeof command === 'object' && command !== null && 'type' in command ? command.type : undefined
  return typeof type === 'string' ? type.slice(0, 100).toWellFormed() : 'change'
}
