// Files of secrets, good and bad: each is used or refused with one line that shows no secret.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { ownSecrets } from '../../../../src/client/origin/own-secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'skein-own-secrets-'))
afterAll(() => rmSync(folder, { recursive: true }))

function fileOf(text: string, mode = 0o600): string {
  const path = join(folder, 'secrets.json')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

it('gives the secrets of the namespace that is asked for, and of no other', async () => {
  const path = fileOf('{"data":{"s3.accessKeyId":"a"},"other":{"s3.accessKeyId":"b"}}')
  expect(await ownSecrets(path, 'data')).toEqual({ 's3.accessKeyId': 'a' })
  expect(await ownSecrets(path, 'toString')).toEqual({})
  expect(await ownSecrets(path, '__proto__')).toEqual({})
  expect(await ownSecrets(undefined, 'data')).toEqual({})
})

it.each([
  ['{"data":{"s3.accessKeyId":"hunter2"}', 'it is not JSON'],
  ['["hunter2"]', 'the document must be an object'],
  ['{"data":"hunter2"}', '"data" '],
  ['{"data":{"s3.accessKeyId":""},"x":{"y":"hunter2"}}', '"data"."s3.accessKeyId" is empty'],
  ['{"data":{"s3.accessKeyId":["hunter2"]}}', '"data"."s3.accessKeyId"'],
])('refuses %s', async (text, problem) => {
  const error: unknown = await ownSecrets(fileOf(text), 'data').catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'failed_precondition', message: expect.stringContaining(problem) })
  expect((error as Error).message).not.toContain('hunter2')
  expect((error as Error).message).toContain('skein.user.origin.credentials.file: ')
})

it('refuses a file that others can read or the group can write, and one that is missing', async () => {
  for (const mode of [0o604, 0o620])
    await expect(ownSecrets(fileOf('{}', mode), 'data')).rejects.toMatchObject({
      message: expect.stringContaining('chmod 600'),
    })
  expect(await ownSecrets(fileOf('{}', 0o640), 'data')).toEqual({})
  await expect(ownSecrets(join(folder, 'none'), 'data')).rejects.toMatchObject({ code: 'failed_precondition' })
  await expect(ownSecrets(folder, 'data')).rejects.toMatchObject({ message: expect.stringContaining('not a file') })
})
