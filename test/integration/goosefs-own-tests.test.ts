// Why: Tencent's client comes with tests that need a running GooseFS; Skein takes its place. How:
// all of them on one worker and on three; those that cannot pass are listed with their reasons, and
// the list must be exact. They are not in this project: scripts/clients.sh --goosefs gets them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { hasGoosefsTests } from '../support/goosefs-clients.ts'
import { runOwnTests } from '../support/goosefs-own-tests.ts'
import { recorded } from '../support/goosefs-results.ts'

interface LeftOut {
  /** As pytest names it, without parameters: all of them. */
  readonly test: string
  readonly reason: string
}

const leftOut = JSON.parse(
  readFileSync(join(import.meta.dirname, '../clients/goosefs/left-out.json'), 'utf8'),
) as readonly LeftOut[]

if (!hasGoosefsTests) console.warn('the tests of goosefs are not there: bash scripts/clients.sh --goosefs')

describe.skipIf(!hasGoosefsTests)('tests of GooseFS’s client', () => {
  let store = ''
  let cluster: Cluster | undefined

  afterEach(async () => {
    await cluster?.stop()
    rmSync(store, { recursive: true, force: true })
  })

  it.each([1, 3])('pass on %i workers, but for those that are listed', { timeout: 1_800_000 }, async (workers) => {
    store = mkdtempSync(join(tmpdir(), 'skein-own-store-'))
    cluster = await Cluster.start({
      ...{ queueUrl: 'redis://127.0.0.1:1', workers, apart: true, jobs: false },
      properties: { 'goosefs.master.mount.table.root.ufs': `file://${store}` },
    })
    const worker = cluster.ready('worker-1')['rpc'] ?? ''
    const outcomes = await runOwnTests({ master: cluster.masterAddress, worker })
    const others = outcomes.filter(({ outcome }) => outcome !== 'passed')
    const isListed = (name: string): boolean => leftOut.some(({ test }) => name === test || name.startsWith(`${test}[`))
    expect(others.filter(({ name }) => !isListed(name))).toEqual([])
    const unused = leftOut.filter(
      ({ test }) => !others.some(({ name }) => name === test || name.startsWith(`${test}[`)),
    )
    expect(unused).toEqual([])
    const counts = { passed: `${outcomes.length - others.length}`, 'left out': `${others.length}` }
    expect(counts).toEqual(recorded(`own-tests-${workers}-workers`, counts))
  })
})
