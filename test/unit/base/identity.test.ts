// Why: a worker whose name changes loses its directories and its replicas.
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openIdentity } from '../../../src/base/files/identity.ts'
import { temporaryFolder } from '../../conformance/support/block-store-fixture.ts'

let home = ''
let remove = (): Promise<void> => Promise.resolve()
beforeEach(async () => {
  const folder = await temporaryFolder()
  home = join(folder.path, 'home')
  remove = folder.remove
})
afterEach(() => remove())

test('is made once, also by two at a time, and kept', async () => {
  const [first, second] = await Promise.all([
    openIdentity(join(home, 'worker'), 'worker'),
    openIdentity(join(home, 'worker'), 'worker'),
  ])
  expect(first).toMatch(/^[0-9a-f-]{36}$/)
  expect(second).toBe(first)
  expect(await openIdentity(join(home, 'worker'), 'worker')).toBe(first)
  expect(await readdir(join(home, 'worker'))).toEqual(['id'])
  expect((await stat(join(home, 'worker', 'id'))).mode & 0o777).toBe(0o600)
})

test.each(['', 'nonsense\n'])('a file that holds %j is refused, not replaced', async (text) => {
  await mkdir(join(home, 'worker'), { recursive: true })
  await writeFile(join(home, 'worker', 'id'), text)
  await expect(openIdentity(join(home, 'worker'), 'worker')).rejects.toMatchObject({ code: 'failed_precondition' })
})

test('a home that cannot be made says so in one line', async () => {
  await writeFile(home, '')
  await expect(openIdentity(join(home, 'worker'), 'worker')).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(/^[^\n]+$/),
  })
})
