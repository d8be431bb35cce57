// Why: a secret must arrive as it was meant, and be seen nowhere else, whatever way it was given.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { CreateNamespaceRequest, NamespaceInfo } from '../../../src/wire/generated/master.ts'
import { run } from './support/harness.ts'

const canary = 'canary-4711-secret'
const folder = mkdtempSync(join(tmpdir(), 'skein-secret-'))

function file(name: string, content: string | Buffer, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

async function create(...flags: string[]) {
  let request: CreateNamespaceRequest | undefined
  const result = await run(['ns', 'create', 'n', 's3://b/', ...flags], {
    master: {
      createNamespace: async (asked) => {
        request = asked
        return { name: 'n', uri: 's3://b/' } as NamespaceInfo
      },
    },
  })
  expect(result.stdout + result.stderr).not.toContain(canary)
  return { ...result, secrets: request?.secrets }
}

function stdinOf(text: string | Buffer, isTTY = false): void {
  const stream = Object.assign(Readable.from(text.length === 0 ? [] : [Buffer.from(text)]), { isTTY })
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(stream as unknown as typeof process.stdin)
}

/** A master that repeats a secret in its refusal, as a store's message may. */
function refusing() {
  const refuse = async ({ secrets }: { readonly secrets: Readonly<Record<string, string>> }): Promise<never> => {
    throw new SkeinError('failed_precondition', `the store said: ${Object.values(secrets).join(' and ')} is unknown`)
  }
  return { master: { createNamespace: refuse, updateNamespace: refuse } }
}

describe('an error', () => {
  afterEach(() => vi.restoreAllMocks())

  it.each([
    ['create', ['ns', 'create', 'n', 's3://b/']],
    ['update', ['ns', 'update', 'n']],
  ])('of ns %s shows no secret of a file or of stdin', async (_, words) => {
    stdinOf(`s3.secretAccessKey=${canary}-stdin\n`)
    const flags = [
      '--secret-file',
      `s3.accessKeyId=${file('told', canary)}`,
      '--secret-stdin',
      '--format',
      'json',
      '--debug',
    ]
    const { code, stdout, stderr } = await run([...words, ...flags], refusing())
    expect(code).toBe(1)
    expect(stderr).toContain('the store said: [redacted] and [redacted] is unknown')
    expect(stdout).toContain('the store said: [redacted] and [redacted] is unknown')
    expect(stdout + stderr).not.toContain(canary)
  })

  it('shows no base64 secret that was given without its key', async () => {
    const base64 = `${Buffer.from(canary).toString('base64').replaceAll('=', '')}Q`
    for (const end of ['=', '==']) {
      stdinOf(`${base64}${end}\n`)
      const stdin = await run(['ns', 'create', 'n', 's3://b/', '--secret-stdin'], unknownKey)
      const flag = await run(['ns', 'create', 'n', 's3://b/', '--secret', `${base64}${end}`], unknownKey)
      for (const { code, stderr } of [stdin, flag]) {
        expect(code).not.toBe(0)
        expect(stderr).toContain('the secret')
        expect(stderr).not.toContain(base64)
      }
    }
  })
})

const unknownKey = {
  master: {
    createNamespace: async ({ secrets }: CreateNamespaceRequest): Promise<never> => {
      throw new SkeinError('invalid_argument', `the secret '${Object.keys(secrets).join()}' is unknown`)
    },
  },
}

describe('--secret-file', () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['as it is', canary],
    ['without its line feed', `${canary}\n`],
    ['without its CRLF', `${canary}\r\n`],
    ['without its byte order mark', `\uFEFF${canary}\n`],
  ])('gives a secret %s', async (_, content) => {
    const { code, secrets, stderr } = await create(
      '--secret-file',
      `s3.accessKeyId=${file('one', content)}`,
      '--secret',
      's3.secretAccessKey=other',
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(secrets).toEqual({ 's3.accessKeyId': canary, 's3.secretAccessKey': 'other' })
  })

  it('takes a path with an equals sign', async () => {
    expect((await create('--secret-file', `s3.accessKeyId=${file('a=b', canary)}`)).secrets).toEqual({
      's3.accessKeyId': canary,
    })
  })

  it('takes a pipe, as <(...) is one', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    const [result] = await Promise.all([
      create('--secret-file', `s3.accessKeyId=${pipe}`),
      import('node:fs/promises').then(({ writeFile }) => writeFile(pipe, `${canary}\n`)),
    ])
    expect(result).toMatchObject({ code: 0, secrets: { 's3.accessKeyId': canary } })
  })

  it('warns of a file that others may read, by name and mode', async () => {
    for (const mode of [0o644, 0o640, 0o604]) {
      const path = file('open', canary, mode)
      const { code, secrets, stderr } = await create('--secret-file', `s3.accessKeyId=${path}`)
      expect([code, secrets]).toEqual([0, { 's3.accessKeyId': canary }])
      expect(stderr).toContain(`${path} is readable by other users`)
    }
  })

  it.each([
    ['that is missing', () => join(folder, 'missing'), 2, /missing cannot be read/],
    ['that is empty', () => file('empty', ''), 64, /empty is empty/],
    ['of a line feed', () => file('blank', '\n'), 64, /blank is empty/],
    ['of a byte order mark', () => file('mark', '\uFEFF'), 64, /mark is empty/],
    ['above 16 KiB', () => file('long', 'x'.repeat(16 * 1024 + 3)), 64, /long is longer than 16384 bytes/],
    ['that is a directory', () => folder, 1, /a directory/],
    ['that is not UTF-8', () => file('latin', Buffer.from('caf\xe9', 'latin1')), 64, /not UTF-8/],
  ])('refuses one %s, and asks nobody', async (_, path, wanted, message) => {
    const { code, secrets, stderr } = await create('--secret-file', `s3.accessKeyId=${path()}`)
    expect([code, secrets]).toEqual([wanted, undefined])
    expect(stderr).toMatch(message)
  })

  it('has room for 16 KiB with a line feed at the end', async () => {
    const secret = 'y'.repeat(16 * 1024)
    expect((await create('--secret-file', `s3.accessKeyId=${file('full', `${secret}\r\n`)}`)).secrets).toEqual({
      's3.accessKeyId': secret,
    })
  })

  it('refuses one secret that is given in two ways', async () => {
    const { code, stderr } = await create(
      '--secret-file',
      `s3.accessKeyId=${file('two', canary)}`,
      '--secret',
      `s3.accessKeyId=${canary}x`,
    )
    expect(code).toBe(64)
    expect(stderr).toContain('the secret s3.accessKeyId is given twice')
  })
})

describe('--secret-stdin', () => {
  afterEach(() => vi.restoreAllMocks())

  it('gives secrets, a line each, whatever the ends of lines', async () => {
    stdinOf(`\uFEFFs3.accessKeyId=${canary}\r\n\ns3.secretAccessKey=a=b=c`)
    expect(await create('--secret-stdin')).toMatchObject({
      code: 0,
      secrets: { 's3.accessKeyId': canary, 's3.secretAccessKey': 'a=b=c' },
    })
  })

  it.each([
    ['nothing in it', '', /stdin has no secret/],
    ['blank lines only', '\n \n', /stdin has no secret/],
    ['a line without a key', `${canary}\n`, /stdin:1 is not key=value/],
    ['an empty value', 's3.accessKeyId=\n', /stdin:1: the secret s3.accessKeyId is empty/],
    [
      'a long one',
      `s3.accessKeyId=${'x'.repeat(16 * 1024 + 1)}\n`,
      /stdin:1: the secret s3.accessKeyId is longer than 16384 bytes/,
    ],
    ['the same key twice', `s3.accessKeyId=${canary}\ns3.accessKeyId=${canary}\n`, /is given twice/],
  ])('is refused with %s', async (_, text, message) => {
    stdinOf(text)
    const { code, secrets, stderr } = await create('--secret-stdin')
    expect([code, secrets]).toEqual([64, undefined])
    expect(stderr).toMatch(message)
  })

  it('is refused at a terminal, where it would be shown as it is typed', async () => {
    stdinOf('', true)
    const { code, stderr } = await create('--secret-stdin')
    expect(code).toBe(64)
    expect(stderr).toMatch(/stdin is a terminal/)
  })
})
