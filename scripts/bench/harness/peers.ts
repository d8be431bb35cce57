// Why: a load is compared with what people use instead, each with its best flags, on the same bytes
// and the same disk. How: rclone, s5cmd, curl with many connections; bare-download.mjs and curl are
// the limit: they do nothing but read and write. A peer that is not installed is a line in the
// table, with the reason. scripts/bench/peers.sh installs s5cmd.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { BenchWay, RunResult, WayKind } from './bench-case.ts'
import { type BenchOrigin, type BenchTools, findProgram, measureProgram } from './bench-tools.ts'

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'skein')
/** Where scripts/bench/peers.sh and scripts/clients.sh put programs. */
export const peersFolder = join(cache, 'peers')
const peerFolders = [peersFolder, join(peersFolder, 'python/bin'), join(cache, 'clients/python/bin')]
const largeBytes = 4 * 1024 * 1024

/** Ways to copy all objects of the origin into a folder. @param url the way to the origin */
export function downloadWays(tools: BenchTools, origin: BenchOrigin, url = origin.url): BenchWay[] {
  return [rclone, s5cmd, curl, bare].map((peer) => peer(copyOf(tools, origin, url)))
}

/** @param url the way to the origin */
export function copyOf(tools: BenchTools, origin: BenchOrigin, url = origin.url): Copy {
  const isLarge = origin.objects.some(({ bytes }) => bytes >= largeBytes)
  return { tools, origin, url, isLarge }
}

/** The path of a program on PATH, or where peers.sh puts it. */
export function foundPeer(name: string): string | undefined {
  return findProgram(name, peerFolders)
}

/** The key and the secret of requests; any that are well-formed where none is checked. */
export function credentialOf({ credential }: BenchOrigin): { accessKey: string; secretKey: string } {
  return credential ?? { accessKey: 'a', secretKey: 'b' }
}

/** For programs with the SDK of AWS. */
export function awsEnvironment(origin: BenchOrigin): NodeJS.ProcessEnv {
  const { accessKey, secretKey } = credentialOf(origin)
  const keys = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey, AWS_REGION: 'us-east-1' }
  return { ...process.env, ...keys, AWS_DEFAULT_REGION: 'us-east-1' }
}

/** What a copy of all objects needs. */
export interface Copy {
  readonly tools: BenchTools
  readonly origin: BenchOrigin
  readonly url: string
  readonly isLarge: boolean
}

function rclone({ tools, origin, url, isLarge }: Copy): BenchWay {
  const environment = { ...process.env }
  // rclone refuses to start with a bundle that it cannot read.
  delete environment['AWS_CA_BUNDLE']
  const flags = isLarge ? ['--transfers', '8', '--multi-thread-streams', '4'] : ['--transfers', '32']
  return copyWay(tools, 'rclone', 'peer', ['rclone'], async (program, folder) => {
    const config = join(tools.scratch, 'rclone.conf')
    const { accessKey, secretKey } = credentialOf(origin)
    writeFileSync(
      config,
      '[o]\ntype = s3\nprovider = Other\n' +
        `access_key_id = ${accessKey}\nsecret_access_key = ${secretKey}\n` +
        `endpoint = ${url}\nforce_path_style = true\nlist_version = 2\n`,
    )
    const words = ['--config', config, 'copy', `o:${origin.bucket}`, folder, '--fast-list', ...flags]
    return await measureProgram(program, words, environment)
  })
}

function s5cmd({ tools, origin, url, isLarge }: Copy): BenchWay {
  const environment = awsEnvironment(origin)
  const all = ['--endpoint-url', url, '--numworkers', isLarge ? '16' : '64']
  const flags = isLarge ? ['--concurrency', '4', '--part-size', '16'] : ['--concurrency', '1']
  return copyWay(tools, 's5cmd', 'peer', ['s5cmd'], (program, folder) =>
    measureProgram(program, [...all, 'cp', ...flags, `s3://${origin.bucket}/*`, `${folder}/`], environment),
  )
}

function curl({ tools, origin, url, isLarge }: Copy): BenchWay {
  return copyWay(tools, 'curl', 'limit', ['curl'], async (program, folder) => {
    makeFolders(origin, folder)
    const plan = join(tools.scratch, 'curl.txt')
    const lines = origin.objects.map(({ key }) => `url = "${url}/${origin.bucket}/${key}"\noutput = "${folder}/${key}"`)
    writeFileSync(plan, `${lines.join('\n')}\n`)
    const parallel = ['--parallel', '--parallel-max', isLarge ? '16' : '64', '--parallel-immediate']
    return await measureProgram(program, ['--silent', '--show-error', '--fail', ...parallel, '--config', plan])
  })
}

function bare({ tools, origin, url, isLarge }: Copy): BenchWay {
  return copyWay(tools, 'bare program', 'limit', undefined, async (_program, folder) => {
    makeFolders(origin, folder)
    const plan = join(tools.scratch, 'bare.json')
    const connections = isLarge ? 16 : 64
    const { bucket, objects } = origin
    writeFileSync(plan, JSON.stringify({ url, bucket, folder, connections, objects }))
    return await measureProgram(process.execPath, [join(import.meta.dirname, 'bare-download.mjs'), plan])
  })
}

/**
 * A program that copies all objects into a new folder, which is deleted afterwards. @param programs
 * names, of which one is enough; undefined: always there
 */
export function copyWay(
  tools: BenchTools,
  name: string,
  kind: WayKind,
  programs: readonly string[] | undefined,
  run: (program: string, folder: string) => ReturnType<typeof measureProgram>,
): BenchWay {
  const found = programs?.map(foundPeer).find((path) => path !== undefined)
  const missing = programs !== undefined && found === undefined ? `${name} is not installed` : undefined
  const once = async (): Promise<RunResult> => {
    const folder = tools.folder(name.replaceAll(' ', '-'))
    try {
      const { seconds, processorSeconds, peakBytes } = await run(found ?? '', folder)
      return { seconds, processorSeconds, peaks: { [name]: peakBytes } }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return { name, kind, missing, run: once }
}

function makeFolders({ objects }: BenchOrigin, folder: string): void {
  for (const parent of new Set(objects.map(({ key }) => dirname(key))))
    mkdirSync(join(folder, parent), { recursive: true })
}
