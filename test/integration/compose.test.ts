// Why: docker-compose.yml is the first thing that a new user runs, and nobody sees when its flags
// and keys go out of date. How: each service is run as a process with the file's own words, the
// master's container is where its commands run. What is mapped, because there are no containers
// here, and nothing else:
//   - each port that the file names, to one that is free; those that it leaves at their
//     defaults, to any free one;
//   - the directories of a container (/var/lib/skein, /cache, /data), to one for each volume
//     below a temporary directory;
//   - the size of large objects: 4 MiB, for the sake of the machine that runs the tests;
//   - /opt/skein, to this clone; `skein`, to its dist/; the environment of the Dockerfile is read
//     from the Dockerfile.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Child, startChild } from '../support/child.ts'
import { main, run } from '../support/cluster.ts'
import { type ComposeService, parseCompose } from '../support/compose-file.ts'
import { freePort } from '../support/free-port.ts'
import { redisAvailable } from '../support/redis.ts'

const root = join(import.meta.dirname, '../..')
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
const { services, commandLines } = parseCompose(text)
const roles = ['master', 'job.master', 'worker', 'job.worker']

describe('the image', () => {
  it('has all files that the store of docker-compose.yml imports', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--)(\S+) (\.\/\S+)$/gm)]
      .filter(([, from, to]) => `./${from}` === to)
      .map(([, from]) => from)
    const seen = new Set<string>()
    const look = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)'/g))
        look(resolve(dirname(file), path))
    }
    look(join(root, 'test/support/origin/main.ts'))
    const missing = [...seen]
      .map((file) => file.slice(root.length + 1))
      .filter((file) => !copied.some((from) => file.startsWith(`${from}/`)))
    expect(missing).toEqual([])
  })
})

describe.skipIf(!redisAvailable)('docker-compose.yml, as processes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-compose-'))
  const ports = new Map<string, number>()
  const children = new Map<string, Child>()

  const mapped = (service: ComposeService, word: string): string => {
    let mappedWord = word.replaceAll(/(127\.0\.0\.1:|\.port=|^)(\d{4,5})(?!\d)/g, (_, before: string, port: string) => {
      return `${before}${ports.get(port) ?? port}`
    })
    for (const [directory, volume] of Object.entries(service.volumes))
      mappedWord = mappedWord.replaceAll(new RegExp(`(^|=)${directory}(?=/|$)`, 'g'), `$1${join(folder, volume)}`)
    return mappedWord.replace(/^\/opt\/skein(?=\/)/, root).replace(/x64MiB$/, 'x4MiB')
  }

  const environmentOf = (service: ComposeService): NodeJS.ProcessEnv => {
    const image = [...(/^ENV (.+)$/m.exec(dockerfile)?.[1] ?? '').matchAll(/(\w+)=(\S+)/g)].map(
      ([, name = '', value = '']) => [name, value],
    )
    const own = [...image, ...Object.entries(service.environment)].map(([name, value]) => [
      name,
      mapped(service, value ?? ''),
    ])
    const anyPort = roles.flatMap((role) =>
      ['RPC', 'WEB', 'DATA'].map((kind) => `${role.toUpperCase().replace('.', '_')}_${kind}`),
    )
    const defaults = anyPort.filter(
      (name) => name !== 'MASTER_RPC' && (!name.endsWith('DATA') || name === 'WORKER_DATA'),
    )
    return {
      PATH: process.env['PATH'],
      // A port that nobody wrote down is any free one.
      ...Object.fromEntries(defaults.map((name) => [`GOOSEFS_${name}_PORT`, '0'])),
      ...Object.fromEntries(own as [string, string][]),
    }
  }

  const start = (service: ComposeService): void => {
    const words = [...service.entrypoint, ...service.command].map((word) => mapped(service, word))
    const isRole = service.entrypoint.length === 0 && service.name !== 'redis'
    const [command = '', ...args] = isRole ? [process.execPath, main, ...words] : words
    const program = command === 'node' ? process.execPath : command
    // The image of Redis is at its default port, and in the directory of its volume.
    const more = service.name === 'redis' ? ['--port', String(ports.get('6379')), '--dir', join(folder, 'redis')] : []
    children.set(
      service.name,
      startChild(program, [...args, ...more], {
        logFile: join(folder, `${service.name}.log`),
        env: environmentOf(service),
      }),
    )
  }

  const serviceOf = (name: string): ComposeService => {
    const service = services.find((one) => one.name === name)
    if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
    return service
  }
  /** `docker compose exec master skein ...` */
  const inMaster = (...words: readonly string[]) =>
    run(
      words.map((word) => mapped(serviceOf('master'), word)),
      { env: { SKEIN_CONF: undefined, ...environmentOf(serviceOf('master')) } },
    )

  beforeAll(async () => {
    for (const [, port = ''] of text.matchAll(/(?:127\.0\.0\.1:|\.port=|')(\d{4,5})\b/g))
      if (!ports.has(port)) ports.set(port, await freePort())
    for (const service of services)
      for (const volume of Object.values(service.volumes)) mkdirSync(join(folder, volume), { recursive: true })
    // As compose does: in the order of depends_on, which waits for nobody to be ready.
    for (const service of services) start(service)
    for (const service of services) {
      if (service.name === 'redis') continue
      await children.get(service.name)?.line((line) => (line.startsWith('{"ready"') ? line : undefined), 60_000)
    }
  }, 120_000)

  afterAll(async () => {
    for (const child of [...children.values()].toReversed()) await child.end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  it('lists each service after those that it depends on, and they are all there', () => {
    const names = services.map(({ name }) => name)
    for (const { name, dependsOn } of services)
      for (const other of dependsOn)
        expect(names.indexOf(other), `${name} needs ${other}`).toBeLessThan(names.indexOf(name))
    for (const other of services.flatMap(({ dependsOn }) => dependsOn)) expect(names).toContain(other)
  })

  it('gives every role that opens stores the same key of private endpoints', () => {
    for (const { environment, entrypoint, name } of services)
      if (entrypoint.length === 0 && name !== 'redis')
        expect(environment['SKEIN_UFS_ALLOWPRIVATEENDPOINTS'], name).toBe('true')
  })

  it('runs the commands at its head, a read of what is not cached, and a persist', async () => {
    const commands = commandLines
      .filter(([word]) => word === 'exec')
      .map(([, service, program, ...words]) => ({ service, program, words }))
    expect(commands.map(({ words }) => words.slice(0, 2).join(' '))).toEqual(['ns create', 'fs distributedLoad'])
    for (const { service, program } of commands) expect([service, program]).toEqual(['master', 'skein'])

    const [create, load] = commands
    expect(await inMaster(...(create?.words ?? []))).toMatchObject({ code: 0, stderr: '' })
    const uncached = await inMaster('fs', 'cat', '/demo/small/file-0000007')
    const listed = await inMaster('fs', 'ls', '/demo/small')
    expect([uncached.code, uncached.bytes.length], `${uncached.stderr}${listed.stdout.slice(0, 300)}`).toEqual([
      0,
      16 * 1024,
    ])
    const loaded = await inMaster(...(load?.words ?? []))
    expect(loaded, loaded.stderr).toMatchObject({ code: 0 })
    expect(loaded.stdout + loaded.stderr).toContain('Total completed file count is 2008, failed file count is 0')

    const file = join(folder, 'own')
    writeFileSync(file, 'own bytes')
    expect(await inMaster('fs', 'copyFromLocal', file, '/demo/own')).toMatchObject({ code: 0 })
    const persisted = await inMaster('fs', 'persist', '/demo/own')
    expect(persisted, persisted.stderr).toMatchObject({ code: 0 })
    expect((await inMaster('fs', 'free', '/demo/own')).code).toBe(0)
    // From the store now.
    expect(await inMaster('fs', 'cat', '/demo/own')).toMatchObject({ code: 0, stdout: 'own bytes' })
    expect((await inMaster('fs', 'location', '/demo/small/file-0000007')).stdout.trim().split('\n')).toHaveLength(3)
  }, 180_000)
})
