// Why: a figure without its machine says nothing. How: what the kernel says of it.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../../..')

/** @param folder whose disk is named */
export function machineFacts(folder: string): Record<string, string | number> {
  return {
    processor: processorName(),
    cores: availableParallelism(),
    'memory, GiB': Number((totalmem() / 1024 ** 3).toFixed(1)),
    system: `Linux ${release()}`,
    disk: diskName(folder),
  }
}

/** The short commit of the version that is measured; with `+` where files differ from it. */
export function commitName(): string {
  const git = (...words: string[]): string => spawnSync('git', words, { cwd: root, encoding: 'utf8' }).stdout ?? ''
  const commit = git('rev-parse', '--short', 'HEAD').trim()
  if (commit === '') return 'unknown'
  const changed = git('status', '--porcelain', '--', 'src', 'package-lock.json').trim()
  return `${commit}${changed === '' ? '' : '+'}`
}

export function loadAverages(): string {
  return loadavg()
    .map((load) => load.toFixed(2))
    .join(' ')
}

function processorName(): string {
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  return /^model name\s*:\s*(.+)$/m.exec(info)?.[1] ?? 'unknown processor'
}

/** The device, its size and the file system. */
function diskName(folder: string): string {
  try {
    const words = ['--output=source,fstype,size', '-h', folder]
    const [, line = ''] = execFileSync('df', words, { encoding: 'utf8' }).split('\n')
    return line.trim().split(/\s+/).join(', ')
  } catch {
    return 'unknown'
  }
}
