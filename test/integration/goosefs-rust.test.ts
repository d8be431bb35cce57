// Why: in Rust, GooseFS is reached by its own crate, and by OpenDAL, as Lance, Daft and others do.
// How: a program for each does its operations once, on a cluster of three workers with a root
// mount; scripts/clients.sh --rust builds them, which takes many minutes.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { runRust, rustPrograms } from '../support/goosefs-clients.ts'
import { recorded } from '../support/goosefs-results.ts'

const hasPrograms = existsSync(join(rustPrograms, 'opendal'))
if (!hasPrograms) console.warn('programs on GooseFS’s crates are not there: bash scripts/clients.sh --rust')

describe.skipIf(!hasPrograms)('programs in Rust', () => {
  const store = mkdtempSync(join(tmpdir(), 'skein-rust-store-'))
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await Cluster.start({
      ...{ queueUrl: 'redis://127.0.0.1:1', workers: 3, apart: true, jobs: false },
      properties: { 'goosefs.master.mount.table.root.ufs': `file://${store}` },
    })
  })
  afterAll(async () => {
    await cluster?.stop()
    rmSync(store, { recursive: true, force: true })
  })

  it.each(['sdk', 'opendal'])('that use %s do each of its operations', async (program) => {
    const { operations } = await runRust(program, [cluster.masterAddress, `/by-${program}`])
    expect(operations).toEqual(recorded(`rust-${program}`, operations))
    expect(Object.entries(operations).filter(([, outcome]) => outcome !== 'ok')).toEqual([])
  })
})
