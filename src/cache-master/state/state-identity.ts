// Why: a master must know whose state it has: blocks of another cluster, or of a later state of its
// own, carry ids that mean something else here. How: one row in the state, so that it goes where
// the state goes (snapshots, backups). The cluster's id stays for ever. An incarnation is one run
// of states: a restore begins a new one, for what was done after the backup is not in it; the ones
// before it stay named, the newest last, and a worker of any of them may come.
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { SkeinError } from '../../base/errors.ts'
import type { LmdbState } from '../../journal/state/lmdb-state.ts'
import type { StateTable } from '../../journal/state-table.ts'

const rowSchema = z.object({
  clusterId: z.string().min(1),
  /** Never empty. */
  incarnations: z.array(z.string().min(1)).min(1),
  /**
   * Containers (base/block-id.ts) above this number were given out by the newest incarnation and by
   * nobody else.
   */
  containersAfter: z.number(),
  /** Clusters and incarnations whose workers may come. */
  adopted: z.array(z.string()),
})
type Row = z.infer<typeof rowSchema>

const rowName = 'cluster'
/** Restores that are remembered; a worker that slept through more of them has to be adopted. */
const incarnationsMax = 100
const adoptedMax = 100

export class StateIdentity {
  readonly #state: LmdbState
  readonly #rows: StateTable<string, Buffer>
  #row: Row | undefined

  /** The caller closes the state. @throws SkeinError data_loss when the row is damaged */
  constructor(state: LmdbState) {
    this.#state = state
    this.#rows = state.bytesTable('identity')
    for (const { value } of this.#rows.range({ start: rowName, limit: 1 })) this.#row = parse(value)
  }

  /** Undefined: of a state that is new, or of the version before. */
  get clusterId(): string | undefined {
    return this.#row?.clusterId
  }

  get incarnation(): string {
    return this.#known.incarnations.at(-1) ?? ''
  }

  /**
   * Gives the state its identity, if it has none; no power loss takes it away again.
   * @param containers how many ids it has given out
   * @throws SkeinError failed_precondition when it is the state of another cluster
   */
  async ensure(clusterId: string, containers: number): Promise<void> {
    if (this.#row === undefined) {
      this.#write({ clusterId, incarnations: [randomUUID()], containersAfter: containers, adopted: [] })
      await this.#state.snapshot()
    } else if (this.#row.clusterId !== clusterId) {
      const message =
        `the state is of cluster ${this.#row.clusterId}, but cluster.id says ${clusterId}: ` +
        'put the file or the state back that belongs to the other'
      throw new SkeinError('failed_precondition', message, { reason: 'home_incomplete' })
    }
  }

  /**
   * The state is a backup's: from here on it goes another way than the one that the backup was
   * taken of.
   */
  beginIncarnation(clusterId: string, containers: number): void {
    const { incarnations = [], adopted = [] } = this.#row ?? {}
    const all = [...incarnations, randomUUID()].slice(-incarnationsMax)
    this.#write({ clusterId, incarnations: all, containersAfter: containers, adopted })
  }

  isOurs(clusterId: string, incarnation: string): boolean {
    return clusterId === this.#known.clusterId && (incarnation === '' || this.#known.incarnations.includes(incarnation))
  }

  isAdopted(id: string): boolean {
    return this.#known.adopted.includes(id)
  }

  /**
   * Durable when it resolves. @returns whether it was already. @throws SkeinError
   * resource_exhausted
   */
  async adopt(id: string): Promise<boolean> {
    if (this.isAdopted(id)) return true
    const { adopted } = this.#known
    if (adopted.length >= adoptedMax)
      throw new SkeinError(
        'resource_exhausted',
        `this cluster has adopted ${adopted.length} others already: this is the maximum`,
      )
    this.#write({ ...this.#known, adopted: [...adopted, id] })
    await this.#state.snapshot()
    return false
  }

  /**
   * Whether this incarnation gave out the container's number, so that a file of it that is not
   * there was deleted.
   */
  gaveOut(container: number, containers: number): boolean {
    return container > this.#known.containersAfter && container <= containers
  }

  get #known(): Row {
    if (this.#row === undefined) throw new SkeinError('internal', 'the state has no identity yet')
    return this.#row
  }

  #write(row: Row): void {
    this.#state.transact(this.#state.lastApplied, () => this.#rows.put(rowName, Buffer.from(JSON.stringify(row))))
    this.#row = row
  }
}

function parse(bytes: Buffer): Row {
  try {
    return rowSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (thrown) {
    throw new SkeinError('data_loss', 'the identity in the state is damaged: restore a backup', { cause: thrown })
  }
}
