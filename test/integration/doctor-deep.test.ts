// Why: `fsadmin doctor --deep` is asked by scripts and by people who fear for their state: it must
// say the same to both, in a sound home and in one whose file was damaged below a running master.
// And a home that has lost a part must not start as a new one, which would delete every block.
// How: bytes of the file are changed under the process; parts of the home are moved away.
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalSkein } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

interface Deep {
  readonly problems: readonly string[]
  readonly states: readonly { readonly role: string; readonly findings: readonly string[]; readonly rows: number }[]
}

const files = 300
let origin: Origin
let skein: LocalSkein

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin.bucket('data').generateMany('d/', files, 100)
  skein = await LocalSkein.start({ properties: { 'skein.ufs.allowPrivateEndpoints': 'true' } })
  expect(await skein.createNamespace('ns', origin, 'data')).toMatchObject({ code: 0 })
  expect(await skein.cli('fs', 'ls', '-R', '/ns')).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await skein?.dispose()
  await origin?.close()
})

/**
 * Changes a byte in every place where these bytes stand in the live file of a role's state.
 * @returns in how many
 */
function spoil(role: string, text: string): number {
  const path = join(skein.home, role, 'state', 'data.mdb')
  const bytes = readFileSync(path)
  let count = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    bytes[at] = (bytes[at] ?? 0) ^ 1
    count += 1
  }
  writeFileSync(path, bytes, { flag: 'r+' })
  return count
}

const deep = async (): Promise<{ readonly code: number | null; readonly document: Deep }> => {
  const { code, stdout } = await skein.cli('fsadmin', 'doctor', '--deep', '--format', 'json')
  return { code, document: JSON.parse(stdout) as Deep }
}

it('of a sound home says how much it looked at: exit 0, as text and as JSON', async () => {
  expect(await skein.cli('fsadmin', 'doctor', '--deep')).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(
      new RegExp(
        [
          String.raw`^No problems found\.`,
          String.raw`\d+ rows of the state of the master were checked\.`,
          String.raw`\d+ rows of the state of the job master were checked\.`,
          '$',
        ].join('\n'),
      ),
    ),
  })
  const { code, document } = await deep()
  expect({ code, problems: document.problems }).toEqual({ code: 0, problems: [] })
  expect(document.states.map(({ role, findings }) => ({ role, findings }))).toEqual([
    { role: 'master', findings: [] },
    { role: 'job master', findings: [] },
  ])
  expect(document.states[0]?.rows).toBeGreaterThan(2 * files)
})

it('names faults of the state and its snapshot (exit 1); with the snapshot back the next start is whole', async () => {
  expect(await skein.cli('fsadmin', 'backup')).toMatchObject({ code: 0 })
  // Nothing but the walk looks at these just now.
  expect(spoil('master', '0000123')).toBeGreaterThan(0)
  const snapshot = join(skein.home, 'master', 'state', 'snapshot.mdb')
  const bytes = readFileSync(snapshot)
  writeFileSync(snapshot, bytes.subarray(0, bytes.length - 100))
  const text = await skein.cli('fsadmin', 'doctor', '--deep')
  expect(text).toMatchObject({ code: 1, stderr: '' })
  expect(text.stdout).not.toContain('restores its state')
  expect(text.stdout).toMatch(
    /State of the master: the snapshot in .* is damaged\. Neither .* cannot start again\. Restore a backup/,
  )
  const { code, document } = await deep()
  expect(code).toBe(1)
  expect(document.states.map(({ role, findings }) => [role, findings.length > 1])).toEqual([
    ['master', true],
    ['job master', false],
  ])
  expect(document.problems).toHaveLength(document.states.reduce((sum, { findings }) => sum + findings.length, 0))
  // With neither of them whole there is no start, and nothing is begun anew.
  await skein.stop('SIGKILL')
  await expect(skein.start()).rejects.toThrow('ended with 1')
  expect(skein.log().trimEnd().split('\n').at(-1)).toMatch(
    /^skein: the snapshot .* is damaged, .*: restore a backup into an empty home$/,
  )
  writeFileSync(snapshot, bytes)
  await skein.start()
  expect(await deep()).toMatchObject({ code: 0, document: { problems: [] } })
})

it('a home that has lost a part does not start, and loses no block by that', { timeout: 120_000 }, async () => {
  expect(await skein.cli('fs', 'distributedLoad', '/ns/d')).toMatchObject({ code: 0 })
  const blocks = join(skein.home, 'worker')
  const filesOf = (directory: string): string[] =>
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(directory, name)).isFile())
      .sort()
  await skein.stop('SIGTERM')
  const before = filesOf(blocks)
  expect(before.length).toBeGreaterThan(0)
  const parts: [role: string, part: string, named: string][] = [
    ['master', 'state', 'lacks the state (state/)'],
    ['master', 'journal', 'lacks the journal (journal/)'],
    ['job-master', 'state', 'lacks the state (state/)'],
  ]
  for (const [role, part, named] of parts) {
    const [place, aside] = [join(skein.home, role, part), join(skein.home, `${role}-${part}-aside`)]
    renameSync(place, aside)
    await expect(skein.start(), `${role} without ${part}`).rejects.toThrow('ended with 1')
    expect(skein.log().trimEnd().split('\n').at(-1)).toContain(named)
    renameSync(aside, place)
  }
  expect(filesOf(blocks)).toEqual(before)
  await skein.start()
  expect(await skein.cli('fsadmin', 'doctor')).toMatchObject({ code: 0 })
  expect(await skein.cli('fs', 'checkConsistency', '/ns')).toMatchObject({ code: 0 })
})
