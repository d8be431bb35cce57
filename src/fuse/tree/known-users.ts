// Why: a cluster knows owners by name, the kernel by number. How: /etc/passwd and /etc/group, read
// again after a time. A name that this machine does not know belongs to the user who mounts, so the
// tree can be used by that user. A name that is a number is that number. Pure but for the reading.
import { readFileSync } from 'node:fs'
import type { Clock } from '../../base/clock.ts'

export interface UserNames {
  userId(owner: string): number
  groupId(group: string): number
  /** The name, or the number as text. */
  ownerName(userId: number): string
  groupName(groupId: number): string
}

export interface KnownUsersOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** For names that nobody has here. */
  readonly userId: number
  readonly groupId: number
  readonly read?: (path: string) => string
}

interface Table {
  readonly numbers: ReadonlyMap<string, number>
  readonly names: ReadonlyMap<number, string>
}

const keepMs = 60_000

export class KnownUsers implements UserNames {
  readonly #options: KnownUsersOptions
  #users: Table = { numbers: new Map(), names: new Map() }
  #groups: Table = { numbers: new Map(), names: new Map() }
  #readMs = Number.NEGATIVE_INFINITY

  constructor(options: KnownUsersOptions) {
    this.#options = options
  }

  userId(owner: string): number {
    this.#refresh()
    return this.#users.numbers.get(owner) ?? numberOf(owner) ?? this.#options.userId
  }

  groupId(group: string): number {
    this.#refresh()
    return this.#groups.numbers.get(group) ?? numberOf(group) ?? this.#options.groupId
  }

  ownerName(userId: number): string {
    this.#refresh()
    return this.#users.names.get(userId) ?? String(userId)
  }

  groupName(groupId: number): string {
    this.#refresh()
    return this.#groups.names.get(groupId) ?? String(groupId)
  }

  #refresh(): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#readMs < keepMs) return
    this.#readMs = nowMs
    const read = this.#options.read ?? ((path: string) => readFileSync(path, 'utf8'))
    this.#users = tableOf(read, '/etc/passwd') ?? this.#users
    this.#groups = tableOf(read, '/etc/group') ?? this.#groups
  }
}

/** Both files have the name first and the number third. */
function tableOf(read: (path: string) => string, path: string): Table | undefined {
  let text
  try {
    text = read(path)
  } catch {
    return undefined
  }
  const numbers = new Map<string, number>()
  const names = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':')
    const id = numberOf(number ?? '')
    if (name === undefined || name === '' || id === undefined) continue
    if (!numbers.has(name)) numbers.set(name, id)
    if (!names.has(id)) names.set(id, name)
  }
  return { numbers, names }
}

function numberOf(text: string): number | undefined {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  return number <= 0xffff_fffe ? number : undefined
}
