// Why: a walk through a damaged state may crash the process. How: a child process with low priority
// walks a copy. If it crashes, that is a finding, too.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { extname, join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import type { OrderedKey } from './checked-values.ts'
import type { WalkResult } from './state-walk.ts'

/** A table in a copy. Values that do not match their checksums are left out. */
export interface StateRows<Key extends OrderedKey | Uint8Array, Value> {
  get(key: Key): Value | undefined
  rows(): Iterable<{ readonly key: Key; readonly value: Value }>
}

export interface StateReader {
  bytes<Key extends OrderedKey>(name: string): StateRows<Key, Buffer>
  numbers(name: string): StateRows<Buffer, number>
  number(name: string): number | undefined
}

/**
 * The export `agreementOf` of an owner's module. Returns one line per inconsistency between rows.
 */
export type AgreementOf = (state: StateReader) => string[]

/** Ten million rows take less. */
const checkMsMax = 10 * 60_000
const niceness = 5
const outputBytesMax = 1024 ** 2
const program = join(import.meta.dirname, `state-check-child${extname(import.meta.filename)}`)

/**
 * Walks the copy at `path`, which is not open.
 * @param agreement the path of an owner's module (AgreementOf), or empty
 * @throws SkeinError unavailable when a program of the walk is missing
 */
export async function checkCopy(path: string, agreement: string, msMax = checkMsMax): Promise<WalkResult> {
  // Another version was installed while the role was running. That is no sign of damage.
  const gone = [program, agreement].find((file) => file !== '' && !existsSync(file))
  if (gone !== undefined) {
    const message = `the state cannot be checked: ${gone} is missing; if Skein was reinstalled, restart the role`
    throw new SkeinError('unavailable', message, { retryable: false })
  }
  try {
    return await run(path, agreement, msMax)
  } finally {
    await rm(`${path}-lock`, { force: true })
  }
}

function run(path: string, agreement: string, msMax: number): Promise<WalkResult> {
  const { NODE_OPTIONS: _, ...env } = process.env
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    const child = spawn(process.execPath, [program, path, agreement], {
      stdio: [...stdio],
      env,
      timeout: msMax,
      killSignal: 'SIGKILL',
    })
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      if (text.length < outputBytesMax) text += part
    })
    child.once('spawn', () => {
      try {
        if (child.pid !== undefined) setPriority(child.pid, niceness)
      } catch {
        // It has ended, or the process may not signal it.
      }
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (signal !== null)
        resolve(
          ended(child.killed ? `did not end within ${msMax} ms` : `was terminated by ${signal}: a page is damaged`),
        )
      else if (code !== 0) resolve(ended(`ended with exit code ${code}`))
      else resolve(parsed(text))
    })
  })
}

function parsed(text: string): WalkResult {
  try {
    return JSON.parse(text) as WalkResult
  } catch {
    return ended('had no result')
  }
}

function ended(how: string): WalkResult {
  return { findings: [`the walk through a copy of the state ${how}`], rows: 0 }
}
