import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { readText, readTextFile, textLines } from '../../../src/base/files/text-file.ts'

const refuse = (message: string): SkeinError => new SkeinError('invalid_argument', message, { reason: 'refused' })
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-text-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const written = (content: string | Buffer): string => {
  const file = join(folder, 'text')
  writeFileSync(file, content)
  return file
}
async function linesOf(file: string, isPipeAllowed = true): Promise<string[]> {
  const lines: string[] = []
  for await (const line of textLines({ file, name: 'list', isPipeAllowed }, refuse)) lines.push(line)
  return lines
}

describe('a text file', () => {
  it.each([
    ['', []],
    ['\n', ['']],
    ['a', ['a']],
    ['\uFEFFa\r\nb\n', ['a', 'b']],
    ['\uFEFF', ['']],
    ['a\n\uFEFFb', ['a', '\uFEFFb']],
    ['é\n\n漢', ['é', '', '漢']],
  ])('%j has its lines', async (content, lines) => {
    expect(await linesOf(written(content))).toEqual(lines)
  })

  it('is read whole in pieces of any size', async () => {
    const lines = Array.from({ length: 5000 }, (_, index) => `${index} ${'漢'.repeat(index % 90)}`)
    expect(await linesOf(written(lines.join('\r\n')))).toEqual(lines)
  })

  it('names the line that is not UTF-8, or too long, and says UTF-16', async () => {
    await expect(linesOf(written(Buffer.from('a\nb\ncaf\xe9\n', 'latin1')))).rejects.toMatchObject({
      reason: 'refused',
      message: 'list:3: the line is not UTF-8: save the file as UTF-8',
    })
    await expect(linesOf(written(`a\n${'x'.repeat(10_000_000)}`))).rejects.toThrow(
      'list:2: the line is longer than 65536 bytes',
    )
    await expect(linesOf(written(Buffer.from('\uFEFFa\n', 'utf16le')))).rejects.toThrow('UTF-16')
    await expect(linesOf('/dev/zero')).rejects.toThrow('list:1: the line is longer')
  })

  it('says what is no file, and reads a pipe only where it may', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    await expect(linesOf(folder)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('a directory'),
    })
    await expect(linesOf(join(folder, 'none'))).rejects.toMatchObject({ code: 'not_found' })
    await expect(linesOf(pipe, false)).rejects.toMatchObject({ message: expect.stringContaining('a FIFO') })
    const reading = linesOf(pipe)
    // By another process: opening a pipe waits for who is at its other end.
    spawn('sh', ['-c', 'echo from a pipe >"$1"', 'sh', pipe])
    expect(await reading).toEqual(['from a pipe'])
    expect(() => readTextFile(pipe, 100, refuse)).toThrow('a FIFO')
    expect(() => readTextFile('/dev/zero', 100, refuse)).toThrow('a device')
    expect(() => readTextFile(folder, 100, refuse)).toThrow('a directory')
  })

  it('is read at once up to its bound', async () => {
    const source = (file: string) => ({ file, name: 'secret', isPipeAllowed: true })
    const file = written('\uFEFF12\r\n45')
    expect(readTextFile(file, 9, refuse)).toBe('12\r\n45')
    expect(await readText(source(file), 9, refuse)).toBe('12\r\n45')
    expect(() => readTextFile(file, 8, refuse)).toThrow('is longer than 8 bytes')
    await expect(readText(source(file), 8, refuse)).rejects.toThrow('secret is longer than 8 bytes')
    const latin = written(Buffer.from('a\n\xe9', 'latin1'))
    expect(() => readTextFile(latin, 9, refuse)).toThrow(':2: the line is not UTF-8')
    await expect(readText(source(latin), 9, refuse)).rejects.toThrow('secret:2: ')
  })
})
