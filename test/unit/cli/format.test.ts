import { describe, expect, it } from 'vitest'
import {
  cachedPercent,
  countText,
  duHeader,
  duLine,
  locationText,
  lsLine,
  statText,
} from '../../../src/cli/format/format-file.ts'
import { formatMode, parseMode } from '../../../src/cli/format/file-mode.ts'
import { loadCountsText, loadProblemText, loadResultText } from '../../../src/cli/format/format-load.ts'
import { namespaceStatText } from '../../../src/cli/format/format-namespace.ts'
import { capacityText, jobServiceText, summaryText, uptimeText } from '../../../src/cli/format/format-report.ts'
import type { OpenFileResponse, WorkerInfo } from '../../../src/wire/generated/master.ts'
import { file, load } from './support/harness.ts'

const worker = (id: string, more: Partial<WorkerInfo> = {}): WorkerInfo => ({
  workerId: id,
  hostname: `host-${id}`,
  rpcAddress: `host-${id}:9203`,
  dataAddress: '',
  webAddress: '',
  live: true,
  lastHeartbeatMs: 9000,
  startedMs: 0,
  capacityBytes: 1500 * 1024 ** 3,
  usedBytes: 0,
  blockCount: 0,
  directories: [{ path: '/d', tier: 'HDD', mediumType: 'HDD', quotaBytes: 1500 * 1024 ** 3, usedBytes: 0 }],
  ...more,
})

describe('ls', () => {
  it('is the line of the GooseFS documentation, blank for blank', () => {
    expect(lsLine(file())).toBe(
      '-rw-rw-rw-  hadoop         hadoop                      14       PERSISTED 03-11-2021 11:46:15:000 100% ' +
        '/data/test.txt',
    )
    expect(lsLine(file({ cachedBytes: 0 }))).toBe(
      '-rw-rw-rw-  hadoop         hadoop                      14       PERSISTED 03-11-2021 11:46:15:000 0% ' +
        '/data/test.txt',
    )
  })
  it('says DIR for a directory', () => {
    expect(lsLine(file({ folder: true, mode: 0o755, length: 2, path: '/data' }))).toMatch(
      /^drwxr-xr-x {2}hadoop .* {14}2 {7}PERSISTED .* DIR \/data$/,
    )
  })
  it('rounds the percentage down, and calls an empty file whole', () => {
    expect(cachedPercent({ length: 1000, cachedBytes: 999 })).toBe(99)
    expect(cachedPercent({ length: 0, cachedBytes: 0 })).toBe(100)
  })
  it('spells permission bits', () => {
    expect(formatMode(0o641, false)).toBe('-rw-r----x')
    expect(formatMode(0o7755, true)).toBe('drwsr-sr-t')
    expect(formatMode(0o7644, false)).toBe('-rwSr-Sr-T')
  })
  it('keeps a blank behind long names', () => {
    expect(lsLine(file({ owner: 'o'.repeat(15), group: 'g\u0085' }))).toContain(` ${'o'.repeat(15)} g\\x85 `)
  })
})

describe('a mode', () => {
  it.each([
    ['644', { mode: 0o644 }],
    ['01777', { mode: 0o1777 }],
    ['0', { mode: 0 }],
    ['u+x,g-w', { mode: 0o100, modeMask: 0o120 }],
    ['a+r', { mode: 0o444, modeMask: 0o444 }],
    ['-w', { mode: 0, modeMask: 0o222 }],
    ['u=rw', { mode: 0o600, modeMask: 0o4700 }],
    ['go=', { mode: 0, modeMask: 0o2077 }],
    ['u=rwx,u-x', { mode: 0o600, modeMask: 0o4700 }],
    ['ug+s', { mode: 0o6000, modeMask: 0o6000 }],
    ['+t', { mode: 0o1000, modeMask: 0o1000 }],
    ['u-w+x', { mode: 0o100, modeMask: 0o300 }],
  ])('%s is read', (text, change) => {
    expect(parseMode(text)).toEqual(change)
  })
  it.each(['', '8', '77777', '0x1', 'u', 'u+', 'u+X', 'x+r', 'u+r,', 'u=g', ' 644', 'rwxr-xr-x'])(
    '%j is refused',
    (text) => {
      expect(() => parseMode(text)).toThrow(/the mode must be octal such as 644, or symbolic such as u\+x,g-w/)
    },
  )
})

describe('stat', () => {
  const opened = (blocks: string[][], length = 14): OpenFileResponse => ({
    file: file({ length }),
    blocks: blocks.map((workerIds) => ({ workerIds })),
    workers: [worker('b'), worker('a')],
  })
  it('has the fields of FileInfo in the order of GooseFS', () => {
    const [what, info, heading, block] = statText(file({ blockSizeBytes: 10 }), opened([['a'], []])).split('\n')
    expect(what).toBe('/data/test.txt is a file path.')
    expect(info).toMatch(
      new RegExp(
        String.raw`^FileInfo\{${[
          String.raw`fileId=1048575, fileIdentifier=null, name=test\.txt, path=/data/test\.txt`,
          String.raw`ufsPath=cosn://b-1/test\.txt, length=14, blockSizeBytes=10, creationTimeMs=1618193473555`,
          String.raw`completed=true, folder=false, pinned=false, pinnedlocation=\[\], cacheable=true`,
          String.raw`persisted=true, blockIds=\[0, 1\], inMemoryPercentage=100, lastModificationTimesMs=\d+`,
          String.raw`ttl=-1, lastAccessTimesMs=1616763603692, ttlAction=FREE, owner=hadoop, group=hadoop`,
          String.raw`mode=438, persistenceState=PERSISTED, mountPoint=false, replicationMax=-1, replicationMin=0`,
          String.raw`fileBlockInfos=\[.*\], mountId=n1, inGooseFSPercentage=100`,
          String.raw`ufsFingerprint=TYPE\|FILE UFS\|cosn OWNER\|hadoop GROUP\|hadoop MODE\|438 CONTENT_HASH\|abc `,
          String.raw`etag=abc, acl=user::rw-,group::rw-,other::rw-, defaultAcl=`,
        ].join(', ')}\}$`,
      ),
    )
    expect(heading).toBe('Containing the following blocks:')
    expect(block).toBe('BlockInfo{id=0, length=10, offset=0, locations=[host-a:9203]}')
  })
  it('ends with what is stored with the object', () => {
    const stored = { contentType: 'text/plain', userMetadata: { values: { a: '1', b: 'x y' } } }
    expect(statText(file({ length: 0, ...stored }), opened([], 0))).toContain(
      'defaultAcl=, contentType=text/plain, userMetadata={a=1, b=x y}}',
    )
  })
  it('says so when there are no blocks', () => {
    expect(statText(file({ length: 0 }), opened([], 0))).toMatch(
      /blockIds=\[\].*\nThis file does not contain any blocks\.$/,
    )
  })
  it('names a directory', () => {
    expect(statText(file({ folder: true, path: '/data' }), undefined)).toMatch(
      /^\/data is a directory path\.\nFileInfo\{.*folder=true.*\}$/,
    )
  })
  it('locates each worker once', () => {
    expect(locationText('/data/test.txt', opened([['b', 'a'], ['a']]))).toBe(
      '/data/test.txt with file id 1048575 is on nodes:\nhost-a:9203\nhost-b:9203',
    )
  })
})

describe('count and du', () => {
  it('line up', () => {
    const counted = { files: 12, folders: 3, bytes: 10 * 1024 ** 2, cachedBytes: 0 }
    expect(countText(counted, false)).toBe(
      'File Count               Folder Count             Folder Size    \n12                       ' +
        '3                        10485760       ',
    )
    expect(countText(counted, true)).toMatch(/10\.00MB {8}$/)
    expect(duHeader).toBe('File Size     In GooseFS       Path')
    expect(duLine(4352, 4352, '/x', false)).toBe('4352          4352 (100%)      /x')
    expect(duLine(1337, 0, '/y', true)).toBe('1337B         0B (0%)          /y')
  })
})

describe('report', () => {
  it('is the summary of the GooseFS documentation', () => {
    const startedMs = new Date(2021, 3, 12, 10, 52, 5, 255).getTime()
    const capacityBytes = 1500 * 1024 ** 3
    const text = summaryText({
      masterAddress: '172.16.16.16:19998',
      webPort: 19_999,
      rpcPort: 19_998,
      startedMs,
      nowMs: startedMs + ((1 * 60 + 28) * 60 + 57) * 1000 + 999,
      version: '2.5.0-SNAPSHOT',
      safeMode: false,
      liveWorkers: 3,
      lostWorkers: 0,
      capacityBytes,
      usedBytes: 0,
      tiers: [{ alias: 'HDD', capacityBytes, usedBytes: 0 }],
      files: 0,
      clusterId: 'c',
      refusedWorkers: [],
    })
    expect(text).toBe(`GooseFS cluster summary: 
  Master Address: 172.16.16.16:19998
  Web Port: 19999
  Rpc Port: 19998
  Started: 04-12-2021 10:52:05:255
  Uptime: 0 day(s), 1 hour(s), 28 minute(s), and 57 second(s)
  Version: 2.5.0-SNAPSHOT
  Safe Mode: false
  Zookeeper Enabled: false
  Live Workers: 3
  Lost Workers: 0
  Total Capacity: 1500.00GB
      Tier: HDD  Size: 1500.00GB
  Used Capacity: 0B
      Tier: HDD  Size: 0B
  Free Capacity: 1500.00GB`)
  })
  it('counts days', () => {
    expect(uptimeText(((25 * 60 + 1) * 60 + 2) * 1000)).toBe('1 day(s), 1 hour(s), 1 minute(s), and 2 second(s)')
  })
  it('has two rows a worker below Worker Name', () => {
    const lines = capacityText([worker('a', { usedBytes: 750 * 1024 ** 3 })], 12_500).split('\n')
    const heading = lines.findIndex((line) => line.startsWith('Worker Name'))
    expect(lines[heading]).toBe(
      'Worker Name      Last Heartbeat   Storage       Total            MEM           SSD           HDD          ',
    )
    expect(lines[heading + 1]).toBe(
      'host-a           3                Capacity      1500.00GB        0B            0B            1500.00GB    ',
    )
    expect(lines[heading + 2]).toMatch(/^ {34}Used {10}750\.00GB \(50%\) /)
    expect(lines).toHaveLength(heading + 3)
    expect(lines).toContain('    Used Percentage: 50%')
    expect(capacityText([], 0)).not.toContain('Worker Name')
  })
  it('counts live workers only, as the summary does, and still shows the lost ones', () => {
    const lines = capacityText([worker('a'), worker('b', { live: false })], 12_500).split('\n')
    expect(lines[1]).toBe('    Total Capacity: 1500.00GB')
    expect(lines.filter((line) => line.startsWith('host-'))).toHaveLength(2)
  })
  it('shows job workers, loads and the queue', () => {
    const text = jobServiceText(
      {
        liveJobWorkers: 1,
        runningLoads: 2,
        completedLoads: 3,
        failedLoads: 4,
        cancelledLoads: 5,
        queue: 'redis://127.0.0.1:6379',
        queueHealthy: false,
        jobWorkers: [
          { jobWorkerId: 'j', hostname: 'h', live: false, tasksRunning: 6, activeTasksMax: 12, lastHeartbeatMs: 0 },
        ],
        tasksOut: 7,
        queueWarnings: [],
      },
      11_000,
    )
    expect(text).toContain('Worker: h           LOST  Task Pool Size: 12     Active Tasks: 6  Last Heartbeat: 11s')
    expect(text).toContain('Status: CANCELED  Count: 5')
    expect(text).toContain('Queue: redis://127.0.0.1:6379 (does not answer)')
  })
})

describe('load', () => {
  const failed = (number: number) => ({
    path: `/data/${number}`,
    length: 1,
    state: 'FAILED',
    reason: `gone\n${number}`,
    attempts: 1,
    workerId: '',
  })
  it('ends with the line that clients parse', () => {
    expect(loadResultText(load('COMPLETED', { filesCached: 5, filesLoaded: 7 }), [], undefined)).toBe(
      'Total completed file count is 12, failed file count is 0',
    )
  })
  it('names at most 20 failed files on a line each, then the full list', () => {
    const all = Array.from({ length: 25 }, (_, number) => failed(number))
    const lines = loadResultText(load('PARTIAL', { filesLoaded: 1, filesFailed: 25 }), all, '/h/failed/L42.txt').split(
      '\n',
    )
    expect(lines[0]).toBe('Total completed file count is 1, failed file count is 25')
    expect(lines[1]).toBe('Here are failed files:')
    expect(lines.slice(2, -1)).toEqual(all.slice(0, 20).map((one, number) => `${one.path}: gone ${number}`))
    expect(lines.at(-1)).toContain('/h/failed/L42.txt')
  })
  it('tells counts, and why it did not complete', () => {
    expect(
      loadCountsText(
        load('COMPLETED', { filesCached: 1, filesLoaded: 2, filesSkipped: 3, bytesLoaded: 2 * 1024 ** 2 }),
      ),
    ).toBe('load L42 COMPLETED in 2s: cached 1, loaded 2, failed 0, skipped 3; 2048.00KB loaded, 1024.00KB/s')
    expect(loadProblemText(load('COMPLETED'))).toBeUndefined()
    expect(loadProblemText(load('FAILED', {}, { reason: 'no room', missingCapacityBytes: 77 }))).toBe(
      'load L42 FAILED: no room (77 bytes of cache capacity are missing)',
    )
  })
})

describe('ns stat', () => {
  it('shows names of secrets only', () => {
    const text = namespaceStatText({
      namespaceId: 'n',
      name: 'a',
      uri: 's3://b/p',
      attributes: { 's3.region': 'r', 's3.endpoint': 'e' },
      secretNames: ['s3.secretAccessKey', 's3.accessKeyId'],
      lost: { names: ['s3.accessKeyId'] },
      createdMs: 0,
      ttlMs: 0,
      ttlAction: '',
    })
    expect(text).toContain('URI: s3://b/p')
    expect(text).toContain(
      'Attribute: s3.endpoint=e\nAttribute: s3.region=r\n' +
        'Secret: s3.accessKeyId=lost, set it again\nSecret: s3.secretAccessKey=******',
    )
  })
})
