// Replication between a real master and real workers: repaired from living replicas, never from the
// store.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from './support/master-fixture.ts'
import { blocksOf, ReplicationCluster, until } from './support/replication-cluster.ts'

let cluster: ReplicationCluster
beforeEach(async () => {
  cluster = await ReplicationCluster.open()
})
afterEach(() => cluster.close())

const counts = (held: string[][]): number[] => held.map((workers) => workers.length)
const setReplication = (fileIds: number[], min: number, max: number) =>
  cluster.master.service.setReplication({ fileIds, min, max }, call)

describe('replication', () => {
  it('min 2 and a killed worker: repaired from the living replica, the store is not read', async () => {
    for (const id of ['w1', 'w2', 'w3']) await cluster.addWorker(id)
    const files = await cluster.files(20)
    for (const file of files) await cluster.cache(file, ['w1', 'w2'])
    await setReplication(
      files.map(({ fileId }) => fileId),
      2,
      -1,
    )
    await cluster.kill('w1')
    await until(() => files.every((file) => counts(cluster.held(file)).every((count) => count === 2)))
    await until(async () => {
      for (const file of files)
        if ((await cluster.known(file)).some((workers) => workers.join() !== 'w2,w3')) return false
      return true
    })
    for (const file of files) expect(await cluster.sound(file)).toBe(true)
    expect(cluster.originReads).toBe(0)
    // A copy that was slow to be reported may be told twice; no more than that.
    const made = cluster.metrics.get('skein_master_replication_copies_total', { outcome: 'ok' })
    expect(made).toBeGreaterThanOrEqual(files.length * 3)
    expect(made).toBeLessThanOrEqual(files.length * 3.3)
    expect(cluster.metrics.get('skein_master_replication_copies_in_flight')).toBe(0)
  })

  it('max 1 after 3 replicas: two go, and one stays', async () => {
    for (const id of ['w1', 'w2', 'w3']) await cluster.addWorker(id)
    const [file] = await cluster.files(1)
    if (file === undefined) throw new Error('no file')
    await cluster.cache(file, ['w1', 'w2', 'w3'])
    await until(
      async () =>
        (await cluster.known(file)).length === 3 &&
        (await cluster.known(file)).every((workers) => workers.length === 3),
    )
    await setReplication([file.fileId], 0, 1)
    await until(() => counts(cluster.held(file)).every((count) => count === 1))
    expect(
      (await cluster.known(file)).every((workers, index) => workers.join() === cluster.held(file)[index]?.join()),
    ).toBe(true)
    expect(await cluster.sound(file)).toBe(true)
    // A replica that comes on top is found by its report, and goes after the grace time.
    const [first] = cluster.held(file)
    await cluster.cache(file, ['w1', 'w2', 'w3'].filter((id) => id !== first?.[0]).slice(0, 1))
    await until(() => counts(cluster.held(file)).every((count) => count === 1))
  })

  it('set twice in a row: both take effect', async () => {
    for (const id of ['w1', 'w2', 'w3']) await cluster.addWorker(id)
    const [file] = await cluster.files(1)
    if (file === undefined) throw new Error('no file')
    await cluster.cache(file, ['w1'])
    await setReplication([file.fileId], 3, -1)
    await until(() => counts(cluster.held(file)).every((count) => count === 3))
    await setReplication([file.fileId], 1, 2)
    await until(() => counts(cluster.held(file)).every((count) => count === 2))
    await setReplication([file.fileId], 3, 3)
    await setReplication([file.fileId], 1, 1)
    await until(async () => counts(await cluster.known(file)).every((count) => count === 1))
    await until(() => counts(cluster.held(file)).every((count) => count === 1))
    await setReplication([file.fileId], 0, 0)
    await until(() => counts(cluster.held(file)).every((count) => count === 0))
    expect(cluster.originReads).toBe(0)
  })

  it('decommission moves everything, says how far it is, and outlives the master', async () => {
    for (const id of ['w1', 'w2', 'w3']) await cluster.addWorker(id)
    const files = await cluster.files(20)
    for (const file of files) await cluster.cache(file, ['w1'])
    await until(async () => counts(await cluster.known(files[19] ?? files[0]!)).length === 3)
    const begun = await cluster.master.lifecycle.decommission({ worker: 'w1', cancel: false }, call)
    expect(begun).toMatchObject({ workerId: 'w1', done: false })
    await cluster.restartMaster()
    expect((await cluster.master.service.listWorkers({}, call)).workers).toEqual([])
    await until(async () => {
      const { workers } = await cluster.master.service.listWorkers({}, call)
      return workers.filter(({ live }) => live).length === 3
    })
    await until(
      async () => (await cluster.master.lifecycle.decommission({ worker: 'rpc-w1:1', cancel: false }, call)).done,
    )
    await until(() => cluster.workers.get('w1')?.store.blockCount === 0)
    for (const file of files) {
      expect(counts(cluster.held(file))).toEqual([1, 1, 1])
      expect(await cluster.sound(file)).toBe(true)
    }
    expect(cluster.originReads).toBe(0)
    const { workers } = await cluster.master.service.listWorkers({}, call)
    expect(workers.map(({ workerId, decommissioning }) => [workerId, decommissioning])).toEqual([
      ['w1', true],
      ['w2', false],
      ['w3', false],
    ])
    await cluster.master.lifecycle.decommission({ worker: 'w1', cancel: true }, call)
    expect(
      (await cluster.master.service.listWorkers({}, call)).workers.some(({ decommissioning }) => decommissioning),
    ).toBe(false)
    // In service again, it may take copies again.
    await setReplication([files[0]?.fileId ?? 0], 3, -1)
    await until(() => blocksOf(files[0]!).every((block) => cluster.workers.get('w1')?.store.has(block) === true))
  })

  it('a worker that comes back within the grace time costs no copy', async () => {
    await cluster.close()
    // Longer than a busy machine takes to bring a worker back.
    cluster = await ReplicationCluster.open({ graceMs: 10_000 })
    for (const id of ['w1', 'w2', 'w3']) await cluster.addWorker(id)
    const [file] = await cluster.files(1)
    if (file === undefined) throw new Error('no file')
    await cluster.cache(file, ['w1', 'w2'])
    await until(async () => counts(await cluster.known(file)).join() === '2,2,2')
    await setReplication([file.fileId], 2, -1)
    await cluster.kill('w1')
    await cluster.addWorker('w1')
    await until(async () => counts(await cluster.known(file)).join() === '2,2,2')
    // A later change shows that the checker has been past the loss.
    const [, other] = await cluster.files(2)
    if (other === undefined) throw new Error('no file')
    await cluster.cache(other, ['w2'])
    await setReplication([other.fileId], 2, -1)
    await until(() => counts(cluster.held(other)).join() === '2,2,2')
    expect(cluster.held(file).map((workers) => workers.sort().join())).toEqual(['w1,w2', 'w1,w2', 'w1,w2'])
  })
})
