// Why: sets that wait for a lost worker should go to other workers while there are some. How: a
// command changes their targets and reservations before they are dispatched.
import { wishOf } from '../../load/load.ts'
import type { JobMasterContext } from '../job-master-context.ts'

const setsMax = 256

/** Gives new targets to waiting sets of lost workers, if other workers have room. */
export async function retargetHeldSets(context: JobMasterContext, loadId: number): Promise<void> {
  const { dispatcher, cluster, submit, clock } = context
  const placement = cluster.placementOf(loadId)
  const wish = wishOf(context.tables.loads.get([loadId])?.options)
  const sets: { set: number; targets: string[] }[] = []
  for (const held of dispatcher.heldSets(loadId)) {
    if (sets.length === setsMax) break
    if (held.targets.every((target) => !cluster.isLost(target))) continue
    const { elsewhere = [] } = held
    let targets = [...held.targets]
    for (const target of held.targets.filter((one) => cluster.isLost(one))) {
      const [other] = placement.place(held.set, held.bytes, 1, [...elsewhere, ...targets], wish)
      if (other === undefined) continue
      placement.release([target], held.bytes)
      placement.reserve([other], held.bytes)
      targets = targets.map((one) => (one === target ? other : one))
    }
    if (targets.some((target, index) => target !== held.targets[index])) sets.push({ set: held.set, targets })
  }
  if (sets.length === 0) return
  await submit({ type: 'SetsRetargeted', nowMs: clock.nowMs(), loadId, sets })
  dispatcher.reload(loadId)
}
