// Why: a store that Skein reads and writes is written and read by other clients too; each is driven
// in one way. How: the client's own program, on PATH or where scripts/clients.sh puts it, moves a
// whole folder; nothing of the caller's AWS, rclone or proxy settings reaches it.
import { execFile, spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment } from './child-environment.ts'
import type { Radosgw } from './radosgw.ts'

type Store = Pick<Radosgw, 'endpoint' | 'accessKey' | 'secretKey'>

/** Names that clients encode in different ways: the length of each file, by its path. */
export const oddFiles: Readonly<Record<string, number>> = {
  'name with blanks/ first and last ': 1000,
  'a+b': 1001,
  'a%2Fb': 1002,
  'a/b': 1003,
  'caf\u00e9': 1004,
  'decomposed/cafe\u0301': 1005,
  'emoji/\u{1f600}\u{1f1eb}\u{1f1f7}': 1006,
  '&amp;<b>"\'#=;,$@!~(1)': 1007,
  empty: 0,
}

export interface StoreClient {
  readonly name: string
  readonly isInstalled: boolean
  /** Puts every file of the folder below the prefix; those above 5 MiB in parts of 5 MiB. */
  upload(store: Store, folder: string, bucket: string, prefix: string): Promise<void>
  /**
   * Gets every object below the prefix.
   * @returns what it lists there: the size of each object, by its key without the prefix
   */
  download(store: Store, bucket: string, prefix: string, folder: string): Promise<Readonly<Record<string, number>>>
}

const cacheHome = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
/** As scripts/clients.sh has it. */
const cached = join(cacheHome, 'skein/clients/python/bin')

function environment(store?: Store): NodeJS.ProcessEnv {
  const own = Object.entries(childEnvironment()).filter(([name]) => !/^(?:AWS|BOTO|RCLONE|S3)_|_proxy$/i.test(name))
  return {
    ...Object.fromEntries(own),
    PATH: `${process.env['PATH']}:${cached}`,
    AWS_CONFIG_FILE: join(import.meta.dirname, 'aws-config.ini'),
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    ...(store && { AWS_ACCESS_KEY_ID: store.accessKey, AWS_SECRET_ACCESS_KEY: store.secretKey }),
  }
}

/** @returns stdout */
async function output(store: Store, command: string, ...args: readonly string[]): Promise<string> {
  const options = { env: environment(store), timeout: 500_000, maxBuffer: 16 * 1024 * 1024 }
  return (await promisify(execFile)(command, args, options)).stdout
}

/** The first line that a command that can be run prints. */
function firstLine(command: string, ...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { env: environment(), encoding: 'utf8' })
  return status === 0 ? stdout.split('\n')[0] : undefined
}

/**
 * What pandas, pyarrow, s3fs and DuckDB read and wrote (tables-at-s3.py); undefined: they are not
 * installed.
 */
export function tablesAt(): ((store: Store, bucket: string, prefix: string) => Promise<unknown>) | undefined {
  const python = join(cacheHome, 'skein/clients/tables/bin/python3')
  if (firstLine(python, '-c', 'import duckdb, duckdb_extension_httpfs, pandas, pyarrow, s3fs; print(1)') === undefined)
    return undefined
  const script = join(import.meta.dirname, 'tables-at-s3.py')
  return async (store, bucket, prefix) =>
    JSON.parse(await output(store, python, script, store.endpoint, bucket, prefix))
}

/** Names that clients encode in different ways, and lengths. */
export function oddNames(count: number): Readonly<Record<string, number>> {
  const odd = ['a b', 'a+b', '%41', '&<>"', "it's", 'caf\u00e9', 'cafe\u0301', '\u{1f600}', '#=;,$@!~()', '[x]{y}^`|']
  const names = Array.from({ length: count }, (_, index) => {
    const [one, other] = [odd[index % odd.length] ?? '', odd[Math.floor(index / odd.length) % odd.length] ?? '']
    return `${one}/${other} ${index}`
  })
  return Object.fromEntries(names.map((name, index) => [name, index % 7 === 0 ? 0 : 10 + index]))
}

/** A Python that has boto3. */
function pythonOfBoto3(): string | undefined {
  const ask = 'import boto3, sys; print(sys.executable)'
  return firstLine('python3', '-c', ask) ?? firstLine(join(cached, 'python3'), '-c', ask)
}

const boto3Script = join(import.meta.dirname, 'boto3-transfer.py')

/** Addresses to put and to get an object, by boto3; undefined: it is not installed. */
export function presigned(): ((store: Store, bucket: string, key: string) => Promise<[string, string]>) | undefined {
  const python = pythonOfBoto3()
  if (python === undefined) return undefined
  return async (store, bucket, key) =>
    JSON.parse(await output(store, python, boto3Script, 'presign', store.endpoint, bucket, key, '-')) as [
      string,
      string,
    ]
}

function boto3(): StoreClient {
  const python = pythonOfBoto3()
  const transfer = (store: Store, action: string, ...args: readonly string[]): Promise<string> =>
    output(store, python ?? 'python3', boto3Script, action, store.endpoint, ...args)
  return {
    name: 'boto3',
    isInstalled: python !== undefined,
    upload: async (store, folder, bucket, prefix) => void (await transfer(store, 'upload', bucket, prefix, folder)),
    download: async (store, bucket, prefix, folder) =>
      JSON.parse(await transfer(store, 'download', bucket, prefix, folder)) as Record<string, number>,
  }
}

function s5cmd(): StoreClient {
  const s5 = (store: Store, ...args: readonly string[]): Promise<string> =>
    output(store, 's5cmd', '--json', '--endpoint-url', store.endpoint, ...args)
  return {
    name: 's5cmd',
    isInstalled: firstLine('s5cmd', 'version') !== undefined,
    upload: async (store, folder, bucket, prefix) =>
      void (await s5(store, 'cp', '--part-size', '5', `${folder}/`, `s3://${bucket}/${prefix}/`)),
    download: async (store, bucket, prefix, folder) => {
      await s5(store, 'cp', '--part-size', '5', `s3://${bucket}/${prefix}/*`, `${folder}/`)
      const lines = (await s5(store, 'ls', `s3://${bucket}/${prefix}/*`)).trimEnd().split('\n')
      const entries = lines.map((line) => JSON.parse(line) as { key: string; size?: number })
      const start = `s3://${bucket}/${prefix}/`.length
      return Object.fromEntries(entries.map(({ key, size = 0 }) => [key.slice(start), size]))
    },
  }
}

function rclone(): StoreClient {
  const on = (store: Store, ...args: readonly string[]): Promise<string> => {
    const parts = ['--s3-upload-cutoff', '5Mi', '--s3-chunk-size', '5Mi']
    const remote = ['--s3-provider', 'Ceph', '--s3-env-auth', '--s3-endpoint', store.endpoint]
    return output(store, 'rclone', '--config', '', '--no-unicode-normalization', ...remote, ...parts, ...args)
  }
  return {
    name: 'rclone',
    isInstalled: firstLine('rclone', 'version') !== undefined,
    upload: async (store, folder, bucket, prefix) => {
      await on(store, 'copy', folder, `:s3:${bucket}/${prefix}`)
      await on(store, 'check', folder, `:s3:${bucket}/${prefix}`)
    },
    download: async (store, bucket, prefix, folder) => {
      await on(store, 'sync', `:s3:${bucket}/${prefix}`, folder)
      const listed = await on(store, 'lsjson', '--recursive', '--files-only', `:s3:${bucket}/${prefix}`)
      const entries = JSON.parse(listed) as { Path: string; Size: number }[]
      return Object.fromEntries(entries.map(({ Path, Size }) => [Path, Size]))
    },
  }
}

function awscli(): StoreClient {
  const aws = (store: Store, ...args: readonly string[]): Promise<string> =>
    output(store, 'aws', '--endpoint-url', store.endpoint, ...args)
  return {
    name: 'awscli',
    isInstalled: firstLine('aws', '--version') !== undefined,
    upload: async (store, folder, bucket, prefix) =>
      void (await aws(store, 's3', 'cp', '--recursive', '--only-show-errors', folder, `s3://${bucket}/${prefix}`)),
    download: async (store, bucket, prefix, folder) => {
      await aws(store, 's3', 'cp', '--recursive', '--only-show-errors', `s3://${bucket}/${prefix}`, folder)
      const query = ['list-objects-v2', '--bucket', bucket, '--prefix', `${prefix}/`, '--output', 'json']
      const { Contents = [] } = JSON.parse(await aws(store, 's3api', ...query)) as {
        Contents?: { Key: string; Size: number }[]
      }
      return Object.fromEntries(Contents.map(({ Key, Size }) => [Key.slice(prefix.length + 1), Size]))
    },
  }
}

function s3cmd(): StoreClient {
  const on = (store: Store, ...args: readonly string[]): Promise<string> => {
    const host = store.endpoint.replace('http://', '')
    const where = ['--config=/dev/null', '--no-ssl', `--host=${host}`, `--host-bucket=${host}`, '--no-check-md5']
    const keys = [`--access_key=${store.accessKey}`, `--secret_key=${store.secretKey}`]
    return output(store, 's3cmd', ...where, ...keys, '--no-progress', '--multipart-chunk-size-mb=5', ...args)
  }
  return {
    name: 's3cmd',
    isInstalled: firstLine('s3cmd', '--version') !== undefined,
    upload: async (store, folder, bucket, prefix) =>
      void (await on(store, 'sync', `${folder}/`, `s3://${bucket}/${prefix}/`)),
    download: async (store, bucket, prefix, folder) => {
      await on(store, 'sync', `s3://${bucket}/${prefix}/`, `${folder}/`)
      const lines = (await on(store, 'ls', '--recursive', `s3://${bucket}/${prefix}/`)).replace(/\n$/, '').split('\n')
      const start = `s3://${bucket}/${prefix}/`.length
      const entries = lines.map((line) => /^\S+ \S+ +(\d+) {2}(.*)$/.exec(line))
      return Object.fromEntries(entries.map((found) => [found?.[2]?.slice(start) ?? '', Number(found?.[1])]))
    },
  }
}

/** Each of them, there or not. A missing one fails nothing, not even in CI: only servers do. */
export function storeClients(): readonly StoreClient[] {
  return [boto3(), awscli(), s5cmd(), s3cmd(), rclone()]
}
