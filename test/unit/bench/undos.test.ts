// Why: a benchmark that is stopped leaves no server running. How: a program with a child is stopped
// by a signal, and by an error.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Undos } from '../../../scripts/bench/undos.ts'
import { type Child, startChild } from '../../support/child.ts'

const module = new URL('../../../scripts/bench/undos.ts', import.meta.url).href
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skein-undos-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A benchmark with a server that runs until it is ended, and a file that stands for a folder. */
function benchmark(): Child {
  const script = `
    import { spawn } from 'node:child_process'
    import { once } from 'node:events'
    import { rmSync, writeFileSync } from 'node:fs'
    import { undoing } from ${JSON.stringify(module)}
    await undoing(async (undos) => {
      writeFileSync('folder', '')
      undos.onEnd(() => rmSync('folder'))
      const server = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
      const ended = once(server, 'exit')
      undos.onEnd(async () => {
        server.kill('SIGKILL')
        await ended
      })
      console.log(server.pid)
      await ended
      throw new Error('the server ended')
    })`
  const args = ['--input-type=module', '--eval', script]
  return startChild(process.execPath, args, { logFile: join(folder, 'log'), cwd: folder })
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}

describe('a benchmark that is stopped', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s ends what it has started', async (signal) => {
    const child = benchmark()
    const server = await child.line((line) => (line === '' ? undefined : Number(line)), 20_000)
    expect([isRunning(server), existsSync(join(folder, 'folder'))]).toEqual([true, true])
    child.process.kill(signal)
    expect(await child.ended).toBe(130)
    expect([isRunning(server), existsSync(join(folder, 'folder'))]).toEqual([false, false])
  })

  it('by an error does the same, and tells of it', async () => {
    const child = benchmark()
    const server = await child.line((line) => (line === '' ? undefined : Number(line)), 20_000)
    process.kill(server, 'SIGKILL')
    expect(await child.ended).toBe(1)
    expect(existsSync(join(folder, 'folder'))).toBe(false)
  })
})

it('undoes in reverse order, also what comes late and behind what fails', async () => {
  const undos = new Undos()
  const done: string[] = []
  undos.onEnd(() => void done.push('first'))
  undos.onEnd(() => {
    undos.onEnd(() => void done.push('late'))
    throw new Error('does not end')
  })
  undos.onEnd(() => void done.push('last'))
  const closing = undos.close()
  await expect(closing).rejects.toThrow('not all')
  await expect(undos.close()).rejects.toThrow('not all')
  expect(done).toEqual(['last', 'late', 'first'])
})
