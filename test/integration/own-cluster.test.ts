// Why: `tune sweep --own` starts clusters, and who is killed cannot end them. How: the parent is
// killed; the process that has the folder in its command line must end by itself.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { startChild } from '../support/child.ts'
import { until } from '../support/until.ts'

function processesOf(folder: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      return words.includes('local') && words.some((word) => word.startsWith(folder)) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

it.runIf(process.platform === 'linux')('a cluster of a sweep ends when the sweep is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-own-'))
  onTestFinished(() => {
    for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const script = join(import.meta.dirname, '../torture/support/killed-sweep-child.ts')
  const parent = startChild(process.execPath, [script, folder], { logFile: join(folder, 'parent.log') })
  await parent.line((line) => (line.startsWith('{"address"') ? line : undefined), 60_000)
  expect(processesOf(folder)).toHaveLength(1)
  await parent.end('SIGKILL')
  await until(
    async () => processesOf(folder),
    (left) => left.length === 0,
  )
})
