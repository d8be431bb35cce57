// Why: commands in the documentation that do not work are the first thing that a new user meets.
// How: the shell blocks of a page run in order, each as one script of bash that stops at its first
// failing command, with a `skein` in its PATH, against a `skein local` of the page's own and a
// store with the objects that the page speaks of. Blocks behind `<!-- not run: reason -->` are
// counted.
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { childEnvironment } from '../support/child-environment.ts'
import { main } from '../support/cluster.ts'
import { codeBlocks, commandLines } from '../support/documented-commands.ts'
import { LocalSkein } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

/** What stands in a page for a place of the reader's. Anything else is typed as it is written. */
function placeholders(origin: Origin, folder: string): Readonly<Record<string, string>> {
  return {
    'http://127.0.0.1:9000': origin.url,
    'https://s3.example.com': origin.url,
    '/tmp/skein': join(folder, 'tmp'),
  }
}

/** The objects below `s3://bucket/prefix/`. */
function fillStore(origin: Origin): void {
  const bucket = origin.bucket('bucket')
  bucket.generateMany('prefix/shard-', 100, 16_384)
  bucket.generateMany('prefix/train/part-', 100, 16_384)
  bucket.generateMany('prefix/big-', 2, 5_000_000)
}

/** Pages whose commands run, and how many of their blocks do not. */
const pages: readonly (readonly [path: string, notRun: number])[] = [
  ['README.md', 2],
  ['docs/loading.md', 3],
]

interface Ran {
  readonly code: number
  readonly output: string
}

function runScript(script: string, folder: string, env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      'bash',
      ['-c', `set -eo pipefail\n${script}`],
      { cwd: folder, env, timeout: 120_000 },
      (error, stdout, stderr) => {
        resolve({
          code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
          output: `${stdout}\n${stderr}`,
        })
      },
    )
    child.stdin?.end()
  })
}

it('a block stops at its first failing command, in a pipe too', async () => {
  const env = childEnvironment()
  expect(await runScript('false\ntrue', '/', env)).toMatchObject({ code: 1 })
  expect(await runScript('false | true', '/', env)).toMatchObject({ code: 1 })
  expect(await runScript('no-such-command || exit 3', '/', env)).toMatchObject({ code: 3 })
})

describe.each(pages)('the commands of %s', (path, notRun) => {
  const shellBlocks = codeBlocks(readFileSync(join(import.meta.dirname, '../..', path), 'utf8')).filter(
    (block) => commandLines(block).length > 0,
  )
  let skein: LocalSkein
  let origin: Origin
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['bucket'] })
    fillStore(origin)
    skein = await LocalSkein.start({ properties: { 'skein.ufs.allowPrivateEndpoints': 'true' } })
    const bin = join(skein.folder, 'bin')
    mkdirSync(bin)
    const command = `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`
    for (const name of ['skein', 'goosefs']) writeFileSync(join(bin, name), command, { mode: 0o755 })
    for (const [name, text] of [
      ['access-key', testCredential.accessKeyId],
      ['secret-key', testCredential.secretAccessKey],
    ] as const) {
      writeFileSync(join(skein.folder, name), `${text}\n`)
      chmodSync(join(skein.folder, name), 0o600)
    }
    env = childEnvironment({ PATH: `${bin}:${process.env['PATH'] ?? ''}`, SKEIN_HOME: skein.home })
  }, 120_000)

  afterAll(async () => {
    await skein?.dispose()
    await origin?.close()
  })

  it('run, block after block', async () => {
    const run = shellBlocks.filter((block) => block.notRun === undefined)
    expect(run.length).toBeGreaterThan(1)
    for (const block of run) {
      let script = commandLines(block)
        .map(({ text }) => text)
        .join('\n')
      for (const [from, to] of Object.entries(placeholders(origin, skein.folder))) script = script.replaceAll(from, to)
      const { code, output } = await runScript(script, skein.folder, env)
      expect(code, `${path}:${block.line}\n${script}\n${output}`).toBe(0)
    }
  }, 240_000)

  it('that cannot run here are as many as are known, each with a reason', () => {
    const left = shellBlocks.filter((block) => block.notRun !== undefined)
    expect(left.map(({ line, notRun: reason }) => `${path}:${line}: ${reason ?? ''}`)).toHaveLength(notRun)
  })
})
