import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeDirectories } from '../../../src/base/files/make-directories.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skein-directories-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('makeDirectories', () => {
  it('makes what is missing, and is content with what is there', async () => {
    const path = join(directory, 'a/b/c')
    await makeDirectories(path, 0o700)
    await makeDirectories(path, 0o700)
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    await Promise.all(Array.from({ length: 8 }, () => makeDirectories(join(directory, 'x/y/z'), 0o700)))
    expect(existsSync(join(directory, 'x/y/z'))).toBe(true)
  })

  it('ends with the reason below a file, and where nothing can be made', async () => {
    await writeFile(join(directory, 'file'), '')
    await expect(makeDirectories(join(directory, 'file/a'), 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' })
    if (existsSync('/proc/self'))
      await expect(makeDirectories('/proc/no-such/a/b', 0o700)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
