// Why: who knows GooseFS by its documentation finds the same commands, settings and answers here.
// How: the documentation's examples of the cache (levels, replacement policies, life of data,
// replicas, usage) as data: each command is run as it stands there, and what it prints is compared
// line by line with what stands below it, but for what must differ (dates, sizes, owners,
// addresses).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../support/command-here.ts'
import { LocalSkein } from '../support/local-skein.ts'

const listed = (percent: number): string =>
  '-rw-rw-rw-  hadoop         hadoop                      14       PERSISTED 03-11-2021 11:46:15:000 ' +
  `${percent}% /data/test.txt`
const ttl = "TTL of path '/data/test.txt' was successfully"
const copied = 'Copied file:///tmp/written.txt to /data/written.txt'

/**
 * A command, and what it prints in the documentation; where nothing stands there, in the release
 * that GooseFS was made from.
 */
const examples: readonly (readonly [command: string, lines: readonly string[]])[] = [
  ['fs load /data/test.txt', ['/data/test.txt loaded']],
  ['fs ls /data/test.txt', [listed(100)]],
  ['fs free /data/test.txt', ['/data/test.txt was successfully freed from GooseFS space.']],
  ['fs ls /data/test.txt', [listed(0)]],
  ['fs load /data/test.txt', ['/data/test.txt loaded']],
  ['fs ls /data/test.txt', [listed(100)]],
  ['fs distributedLoad /data', ['Total completed file count is 2, failed file count is 0']],
  ['fs copyFromLocal /tmp/written.txt /data/written.txt', [copied]],
  ['fs persist /data/written.txt', ['persisted file /data/written.txt with size 14']],
  ['fs persist /data/test.txt', ['/data/test.txt is already persisted']],
  ['fs ls /data/test.txt', [listed(100)]],
  ['fs setTtl /data/test.txt 10m', [`${ttl} set to 600000 milliseconds, with expiry action set to FREE`]],
  [
    'fs setTtl --action delete /data/test.txt 600000',
    [`${ttl} set to 600000 milliseconds, with expiry action set to DELETE`],
  ],
  ['fs unsetTtl /data/test.txt', [`${ttl} removed.`]],
  ['fs setReplication --max 2 --min 1 /data/test.txt', changedReplication('/data/test.txt', 2, 1)],
  ['fs setReplication -R --max 3 /data', changedReplication('/data', 3)],
  ['fs setReplication --min 0 /data/test.txt', changedReplication('/data/test.txt', undefined, 0)],
  ['fs pin /data/test.txt', ["File '/data/test.txt' was successfully pinned."]],
  ['fs unpin /data/test.txt', ["File '/data/test.txt' was successfully unpinned."]],
  ['fs getCapacityBytes', ['Capacity Bytes: 260046848']],
  ['fs free /data', ['/data was successfully freed from GooseFS space.']],
]

function changedReplication(path: string, max?: number, min?: number): string[] {
  return [
    `Changed the replication level of ${path}`,
    ...(max === undefined ? [] : [`replicationMax was set to ${max}`]),
    ...(min === undefined ? [] : [`replicationMin was set to ${min}`]),
  ]
}

/** The fields of `fs stat`, in the documentation's order, and what each looks like there. */
const statFields = `fileId=50331647, fileIdentifier=null, name=empty.txt, path=/data/empty.txt,
ufsPath=hdfs://namenode:4007/data/empty.txt, length=0, blockSizeBytes=134217728,
creationTimeMs=1618193473555, completed=true, folder=false, pinned=false,
pinnedlocation=[], cacheable=true, persisted=true, blockIds=[], inMemoryPercentage=100,
lastModificationTimesMs=1616763603692, ttl=-1, lastAccessTimesMs=1616763603692, ttlAction=FREE, owner=hadoop,
group=hadoop, mode=438, persistenceState=PERSISTED, mountPoint=false, replicationMax=-1, replicationMin=0,
fileBlockInfos=[], mountId=1, inGooseFSPercentage=100, ufsFingerprint=TYPE|FILE`
  .split(/,\s+/)
  .map((field) => field.split('=', 2) as [string, string])

/** Lines of `fsadmin report`; blanks count. */
const report = [
  /^GooseFS cluster summary: $/,
  /^ {2}Master Address: 127\.0\.0\.1:\d+$/,
  /^ {2}Web Port: \d+$/,
  /^ {2}Rpc Port: \d+$/,
  /^ {2}Started: \d\d-\d\d-\d{4} \d\d:\d\d:\d\d:\d{3}$/,
  /^ {2}Uptime: 0 day\(s\), 0 hour\(s\), \d+ minute\(s\), and \d+ second\(s\)$/,
  /^ {2}Version: \d+\.\d+\.\d+\S*$/,
  /^ {2}Safe Mode: false$/,
  /^ {2}Zookeeper Enabled: false$/,
  /^ {2}Live Workers: 1$/,
  /^ {2}Lost Workers: 0$/,
]

/** What must differ from the documentation: digits of dates, and the owner's name. */
function plain(line: string): string {
  return line
    .replaceAll('hadoop', 'skein ')
    .replaceAll(/\d\d-\d\d-\d{4} \d\d:\d\d:\d\d:\d{3}/g, 'DATE')
    .replaceAll(/file:\/\/\S*(?=\/written)/g, 'file://')
}

describe('the examples of the documentation of the cache', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-examples-'))
  const data = join(folder, 'data')
  let single: LocalSkein

  beforeAll(async () => {
    mkdirSync(data)
    writeFileSync(join(data, 'test.txt'), '14 bytes long.')
    writeFileSync(join(data, 'empty.txt'), '')
    writeFileSync(join(folder, 'written.txt'), '14 bytes long.')
    const directories = Array.from({ length: 5 }, (_, n) => join(folder, `data${n}`, 'GooseFSWorker'))
    // As there, but with MB for GB: nobody's disk need be that large.
    single = await LocalSkein.start({
      properties: {
        'goosefs.worker.tieredstore.levels': 1,
        'goosefs.worker.tieredstore.level0.alias': 'HDD',
        'goosefs.worker.ramdisk.size': '16MB',
        'goosefs.worker.memory.size': '100MB',
        'goosefs.worker.tieredstore.level0.dirs.path': directories.join(','),
        'goosefs.worker.tieredstore.level0.dirs.mediumtype': 'MEM,MEM,MEM,SSD,SSD',
        'goosefs.worker.tieredstore.level0.dirs.quota': '16MB,16MB,16MB,100MB,100MB',
        'goosefs.worker.block.annotator.class': 'goosefs.worker.block.annotator.LRUAnnotator',
        'goosefs.master.ttl.checker.interval': '10m',
        'goosefs.user.file.create.ttl.action': 'FREE',
      },
    })
    expect(await single.cli('ns', 'create', 'data', `file://${data}`)).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await single?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  it.each(examples)('skein %s', async (command, lines) => {
    const words = command.split(' ').map((word) => word.replace('/tmp/', `${folder}/`))
    const { code, stdout } = await single.cli(...words)
    expect(stdout.split('\n').map(plain)).toEqual([...lines, ''].map(plain))
    expect(code).toBe(0)
  })

  it('goosefs fs distributedLoad names each file, skein with --list-files', async () => {
    const words = ['fs', 'distributedLoad', '/data/test.txt']
    const total = 'Total completed file count is 1, failed file count is 0\n'
    const cached = '/data/test.txt is already fully loaded in GooseFS\n'
    const environment = { env: { SKEIN_HOME: single.home, SKEIN_COMMAND_NAME: 'goosefs' } }
    const loaded = 'Successfully loaded path /data/test.txt after 1 attempts\n'
    expect(await runHere(words, environment)).toMatchObject({ code: 0, stdout: loaded + total })
    expect(await runHere(words, environment)).toMatchObject({ code: 0, stdout: cached + total })
    expect(await single.cli(...words, '--list-files')).toMatchObject({ code: 0, stdout: cached + total })
    expect(await single.cli(...words)).toMatchObject({ code: 0, stdout: total })
  })

  it('skein fs stat of a file without blocks', async () => {
    const { stdout } = await single.cli('fs', 'stat', '/data/empty.txt')
    const lines = stdout.split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toBe('/data/empty.txt is a file path.')
    expect(lines[2]).toBe('This file does not contain any blocks.')
    const [, inside = ''] = /^FileInfo\{(.*)\}$/.exec(lines[1] ?? '') ?? []
    const ours = new Map(inside.split(', ').map((field) => field.split('=', 2) as [string, string]))
    expect([...ours.keys()].filter((name) => statFields.some(([known]) => known === name))).toEqual(
      statFields.map(([name]) => name),
    )
    for (const [name, value] of statFields) {
      if (['owner', 'group', 'mountId', 'ufsPath', 'ufsFingerprint', 'replicationMax', 'replicationMin'].includes(name))
        expect(ours.get(name)).not.toBe('')
      else
        expect(`${name}=${ours.get(name)?.replaceAll(/\d{4,}/g, 'N')}`).toBe(
          `${name}=${value.replaceAll(/\d{4,}/g, 'N')}`,
        )
    }
    expect(ours.get('ufsFingerprint')).toMatch(/^TYPE\|FILE UFS\|file OWNER\|skein /)
    expect(lines[1]).toMatch(/, acl=user::rw-,group::rw-,other::rw-, defaultAcl=\}$/)
  })

  it('skein fs getUsedBytes', async () => {
    expect((await single.cli('fs', 'getUsedBytes')).stdout).toMatch(/^Used Bytes: \d+\n$/)
  })

  it('skein fsadmin report of one level, and of two that replace by both recency and frequency', async () => {
    const levels: LocalSkein = new LocalSkein({
      properties: {
        'goosefs.worker.tieredstore.levels': 2,
        'goosefs.worker.tieredstore.level0.alias': 'MEM',
        'goosefs.worker.tieredstore.level0.dirs.path': join(folder, 'mem'),
        'goosefs.worker.tieredstore.level0.dirs.mediumtype': 'MEM',
        'goosefs.worker.tieredstore.level0.dirs.quota': '100MB',
        'goosefs.worker.tieredstore.level1.alias': 'SSD',
        'goosefs.worker.tieredstore.level1.dirs.path': join(folder, 'ssd'),
        'goosefs.worker.tieredstore.level1.dirs.mediumtype': 'SSD',
        'goosefs.worker.tieredstore.level1.dirs.quota': '100MB',
        'goosefs.worker.tieredstore.free.ahead.bytes': 0,
        'goosefs.worker.block.annotator.class': 'goosefs.worker.block.annotator.LRFUAnnotator',
        'goosefs.worker.block.annotator.lrfu.step.factor': 0.25,
        'goosefs.worker.block.annotator.lrfu.attenuation.factor': 2,
      },
    })
    try {
      await levels.start()
      for (const [skein, tiers, total] of [
        [single, ['HDD'], '248.00MB'],
        [levels, ['MEM', 'SSD'], '200.00MB'],
      ] as const) {
        const { code, stdout } = await skein.cli('fsadmin', 'report')
        const lines = stdout.trimEnd().split('\n')
        const sizes = (words: RegExp): RegExp[] => [
          words,
          ...tiers.map((tier) => new RegExp(`^ {6}Tier: ${tier} {2}Size: [\\d.]+(?:MB|KB|B)$`)),
        ]
        const shape = [
          ...report,
          ...sizes(new RegExp(`^ {2}Total Capacity: ${total}$`)),
          ...sizes(/^ {2}Used Capacity: [\d.]+(?:MB|KB|B)$/),
          /^ {2}Free Capacity: [\d.]+MB$/,
        ]
        expect(lines).toHaveLength(shape.length)
        shape.forEach((words, n) => expect(lines[n]).toMatch(words))
        expect(code).toBe(0)
      }
    } finally {
      await levels.dispose()
    }
  })

  it('skein fsadmin report metrics', async () => {
    const { stdout } = await single.cli('fsadmin', 'report', 'metrics')
    const lines = stdout.trimEnd().split('\n')
    for (const line of lines)
      expect(line).toMatch(
        /^(?:Cluster|Master)\.\w+ {2}\(Type: (?:COUNTER|GAUGE), Value: [\d.]+(?:B|KB|MB|GB)?(?:\/MIN)?\)$/,
      )
    for (const name of ['BytesReadLocal', 'BytesReadRemote', 'BytesReadUfs', 'BytesWritten'])
      expect(lines.filter((line) => line.startsWith(`Cluster.${name}`)).map((line) => line.split(' ')[0])).toEqual([
        `Cluster.${name}`,
        `Cluster.${name}Throughput`,
      ])
  })
})
