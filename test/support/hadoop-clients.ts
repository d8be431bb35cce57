// Why: the WebHDFS door is for clients of Hadoop, and Spark uses both doors. How: the jars and the
// Python environment that scripts/clients.sh puts into the cache; without them, or without Java,
// what needs them is skipped.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment } from './child-environment.ts'

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'skein/clients')
const jarsFolder = join(cache, 'hadoop')
const sparkPython = join(cache, 'spark/bin/python3')
const programs = join(import.meta.dirname, '../clients/hadoop')
const longMs = 600_000

const hasJava = spawnSync('java', ['-version']).status === 0
const jars = existsSync(jarsFolder) ? readdirSync(jarsFolder) : []

export const hasHadoop = hasJava && jars.some((name) => name.startsWith('hadoop-client-runtime'))
export const hasDistCp = hasHadoop && jars.some((name) => name.startsWith('hadoop-distcp'))
export const hasSpark = hasJava && existsSync(sparkPython) && jars.some((name) => name.startsWith('hadoop-aws'))

/** Hadoop's client does what programs do. @returns how many results it compared, and its names */
export async function runHadoop(
  address: string,
  directory: string,
  names: number,
): Promise<{ readonly checks: number; readonly names: number }> {
  const program = join(programs, 'HadoopOperations.java')
  const options = ['-Xmx256m', '-Dfile.encoding=UTF-8', '-cp', join(jarsFolder, '*'), program]
  return lastLine('java', [...options, `webhdfs://${address}`, directory, String(names)])
}

/**
 * Copies by Hadoop's distcp, whose tasks run in its own process.
 * @param words options, the source and the target
 * @throws Error with the output when it fails
 */
export async function runDistCp(folder: string, ...words: readonly string[]): Promise<void> {
  const mapReduce = [
    '-Dmapreduce.framework.name=local',
    `-Dhadoop.tmp.dir=${folder}`,
    '-Dfs.permissions.umask-mode=022',
  ]
  const options = ['-Xmx256m', '-Dfile.encoding=UTF-8', '-cp', join(jarsFolder, '*')]
  await promisify(execFile)('java', [...options, 'org.apache.hadoop.tools.DistCp', ...mapReduce, ...words], {
    ...{ timeout: longMs, env: childEnvironment(), cwd: tmpdir(), maxBuffer: 16 * 1024 * 1024 },
  })
}

export interface SparkResult {
  /** Whether both doors gave the same counts. */
  readonly equal: boolean
  readonly words: Readonly<Record<string, number>>
  readonly written: Readonly<Record<string, boolean>>
  readonly table: Readonly<Record<string, unknown>>
}

/** @param folder for the files of Spark, with a table in `table` that the namespace has, too */
export async function runSpark(
  doors: { readonly webhdfs: string; readonly s3: string },
  namespace: string,
  folder: string,
): Promise<SparkResult> {
  // Spark has its own version of everything else that the SDK uses.
  const own = jars.filter((name) => /^hadoop-aws|^eventstream|^reactive-streams|-2\.\d+\.\d+\.jar$/.test(name))
  const path = own.map((name) => join(jarsFolder, name)).join(':')
  const program = join(programs, 'spark_doors.py')
  return lastLine(sparkPython, [program, doors.webhdfs, doors.s3, namespace, path, folder])
}

async function lastLine<T>(command: string, args: readonly string[]): Promise<T> {
  const env = { ...childEnvironment(), SPARK_LOCAL_IP: '127.0.0.1' }
  const options = { timeout: longMs, env, cwd: tmpdir(), maxBuffer: 1024 * 1024 }
  const { stdout } = await promisify(execFile)(command, args, options)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as T
}
