// Why: who installs the package has no repository. How: packs it, installs the tarball into an
// empty folder as npm does globally, and runs the main job from there with the pinned Node; an
// older Node is told which one is needed.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Child, startChild } from '../support/child.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { freePorts } from '../support/local-skein.ts'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'skein-package-'))
const prefix = join(folder, 'prefix')
const home = join(folder, 'home')
const npm = ['--no-audit', '--no-fund', '--loglevel=error']
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
// npm ci fills the cache of npm, so that this works where the registry does not answer just then;
// not so in a fresh container.
const answersRegistry =
  spawnSync('npm', ['view', 'p-limit', 'version', '--fetch-retries=0', '--fetch-timeout=10000']).status === 0
if (!answersRegistry) console.log('skipped: the registry of npm does not answer, so that no package can be installed')

describe.skipIf(!answersRegistry)('the package, installed into an empty folder', () => {
  let local: Child | undefined
  const packed = join(prefix, 'lib/node_modules/skein')
  const env = childEnvironment({ PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, SKEIN_HOME: home })
  const skein = (...words: string[]) =>
    spawnSync(join(prefix, 'bin/skein'), words, { cwd: folder, env, encoding: 'utf8', timeout: 60_000 })

  beforeAll(() => {
    const [{ filename } = { filename: '' }] = JSON.parse(
      execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
        cwd: root,
        encoding: 'utf8',
      }),
    ) as { filename: string }[]
    execFileSync(
      'npm',
      ['install', '--global', '--prefix', prefix, '--prefer-offline', ...npm, join(folder, filename)],
      { cwd: folder },
    )
  }, 240_000)
  afterAll(async () => {
    await local?.end('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  })

  it('has what it needs and no file of its development', () => {
    expect(readdirSync(packed).toSorted()).toEqual(
      ['LICENSE', 'README.md', 'dist', 'node_modules', 'package.json', 'scripts', 'tuning'].toSorted(),
    )
    const files = readdirSync(packed, { recursive: true, encoding: 'utf8' }).filter(
      (path) => !path.startsWith('node_modules'),
    )
    expect(files.filter((path) => /\.map$|\.test\.|(?<!\.d)\.ts$/.test(path))).toEqual([])
    expect(readdirSync(join(packed, 'scripts')).toSorted()).toEqual(['goosefs', 'goosefs-fuse', 'skein'])
  })

  it('says its version and what it was built from', () => {
    const commit = readFileSync(join(root, 'dist/commit'), 'utf8').trim()
    expect(skein('--version')).toMatchObject({ status: 0, stdout: `skein ${version} (${commit})\n`, stderr: '' })
  })

  it('runs the main job: skein local, a namespace of a directory, a load, the bytes', async () => {
    const data = join(folder, 'data')
    mkdirSync(data)
    for (let index = 0; index < 20; index += 1) writeFileSync(join(data, `f${index}`), `bytes of ${index}`)
    local = startChild(join(prefix, 'bin/skein'), ['local', '--home', home, ...freePorts], {
      logFile: join(folder, 'local.log'),
      env,
    })
    await local.line((line) => (line.startsWith('{"ready"') ? line : undefined), 60_000)
    expect(skein('ns', 'create', 'data', `file://${data}`)).toMatchObject({ status: 0 })
    const load = skein('fs', 'distributedLoad', '/data')
    expect(load).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('file count is 20, failed file count is 0'),
    })
    expect(skein('fs', 'cat', '/data/f7')).toMatchObject({ status: 0, stdout: 'bytes of 7' })
  })

  it('is a library with types: a program reads a file of the cluster', () => {
    const program = join(prefix, 'lib/program.ts')
    const lines = [
      "import { connect, type FileSystem } from 'skein'",
      `const files: FileSystem = connect({ home: ${JSON.stringify(home)} })`,
      "const file = await files.open('/data/f7')",
      'const bytes = Buffer.alloc(file.status.length)',
      'await file.read(bytes, 0)',
      'process.stdout.write(bytes)',
      'await files.close()',
    ]
    writeFileSync(program, lines.join('\n'))
    writeFileSync(join(prefix, 'lib/package.json'), '{"type":"module"}')
    expect(spawnSync(process.execPath, [program], { env, encoding: 'utf8', timeout: 60_000 })).toMatchObject({
      status: 0,
      stdout: 'bytes of 7',
      stderr: '',
    })
    const options = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--skipLibCheck']
    const types = [
      '--lib',
      'es2024,esnext.disposable',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ]
    const check = spawnSync(join(root, 'node_modules/.bin/tsc'), [...options, ...types, program], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect([check.status, check.stdout]).toEqual([0, ''])
    writeFileSync(program, "import { connect } from 'skein'\nconnect({ nonsense: 1 })\n")
    const wrong = spawnSync(join(root, 'node_modules/.bin/tsc'), [...options, ...types, program], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(wrong.stdout).toContain("'nonsense' does not exist in type 'ConnectOptions'")
  })

  it('does all that a program does with files', () => {
    const program = join(prefix, 'lib/files.mjs')
    const text = `
      import { connect } from 'skein'
      const files = connect({ home: ${JSON.stringify(home)} })
      const id = await files.load('/data')
      let last
      for await (const progress of files.follow(id)) last = progress
      // Runs of one byte, so that a range is known by its place.
      const runs = 40, runBytes = 512 * 1024
      const output = await files.create('/data/out/large')
      for (let run = 0; run < runs; run += 1) await output.write(Buffer.alloc(runBytes, run))
      const written = await output.close()
      const file = await files.open('/data/out/large')
      const into = Buffer.alloc(runBytes)
      let wrong = 0
      for (let run = runs - 1; run >= 0; run -= 3) {
        const got = await file.read(into, run * runBytes + 1)
        const end = run === runs - 1 ? runBytes - 1 : runBytes
        if (got !== end || into[0] !== run || into[runBytes - 2] !== run) wrong += 1
      }
      let streamed = 0
      for await (const chunk of file.stream({ offset: 5 })) streamed += chunk.length
      await file.close()
      for (let index = 0; index < 30; index += 1) await (await files.create('/data/names/' + index)).close()
      const pages = []
      for await (const page of files.list('/data/names', { pageSize: 7 })) pages.push(page.length)
      await files.rename('/data/out/large', '/data/out/renamed')
      await files.delete('/data/names', { recursive: true })
      const left = []
      for await (const page of files.list('/data/out')) left.push(...page.map(({ path }) => path))
      const gone = await files.stat('/data/names').catch(({ code }) => code)
      await files.close()
      const { state, files: total } = last
      console.log(JSON.stringify({ state, files: total, length: written.length, wrong, streamed, pages, left, gone }))
    `
    writeFileSync(program, text)
    const result = spawnSync(process.execPath, [program], { env, encoding: 'utf8', timeout: 60_000 })
    expect(result).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(result.stdout)).toEqual({
      ...{ state: 'COMPLETED', files: 20, length: 20 * 2 ** 20, wrong: 0, streamed: 20 * 2 ** 20 - 5 },
      ...{ pages: [7, 7, 7, 7, 2], left: ['/data/out/renamed'], gone: 'not_found' },
    })
  })

  it('names the Node that it needs when it finds an older one', () => {
    const old = join(folder, 'old')
    mkdirSync(old)
    // What scripts/skein asks of a Node: its version, and whether a script ends well in it.
    const script = '#!/bin/sh\nif [ "$1" = --version ]; then echo v20.1.0; exit 0; fi\nexit 1\n'
    writeFileSync(join(old, 'node'), script, { mode: 0o755 })
    const { status, stderr } = spawnSync(join(prefix, 'bin/skein'), ['--version'], {
      env: { ...env, PATH: `${old}:/usr/bin:/bin` },
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([
      1,
      'skein: Node v20.1.0 is not supported: install Node 24 (22.18 or newer, 24, or 26 and newer work)\n',
    ])
  })
})
