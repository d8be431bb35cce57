// Why: a million objects to load must cost the machine next to nothing, or the origin is what is
// measured. How: nginx serves them; a thousand bodies of 1 KiB stand for all objects (an object's
// body is that of its number's last three digits, and so is its ETag), and the listing is a
// thousand objects a page, written once. It checks no signature and knows no delimiter.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, rmSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const bodies = 1000
const pageObjects = 1000
const folders = 100
const modifiedSeconds = 1_700_000_000

export interface ListedOrigin {
  readonly url: string
  /** Makes a bucket of `count` objects. @param nameOf their keys; default: keyOf */
  create(bucket: string, count: number, nameOf?: (index: number, count: number) => string): void
  /** The key of an object by its number. */
  keyOf(index: number, count: number): string
  bytesOf(index: number): Buffer
  stop(): Promise<void>
}

/** Starts nginx in a directory of its own. Buckets can be made at any time. */
export async function startListedOrigin(home: string, port: number, objectBytes: number): Promise<ListedOrigin> {
  const bytesOf = (index: number): Buffer => {
    const seed = createHash('sha512')
      .update(`body ${index % bodies}`)
      .digest()
    return Buffer.alloc(objectBytes, seed)
  }
  mkdirSync(join(home, 'bodies'), { recursive: true })
  for (let body = 0; body < bodies; body += 1) {
    const path = join(home, 'bodies', digits(body, 3))
    writeFileSync(path, bytesOf(body))
    utimesSync(path, modifiedSeconds + body, modifiedSeconds + body)
  }
  writeFileSync(join(home, 'nginx.conf'), configuration(home, port))
  const nginx = spawn('nginx', ['-c', join(home, 'nginx.conf')], { stdio: 'ignore' })
  await answering(nginx, `http://127.0.0.1:${port}/`)
  return {
    url: `http://127.0.0.1:${port}`,
    create: (bucket, count, nameOf = keyOf) =>
      writeListing(join(home, 'list', bucket), { bucket, count, objectBytes, nameOf }),
    keyOf,
    bytesOf,
    stop: async () => {
      if (nginx.exitCode !== null) return
      nginx.kill('SIGTERM')
      await once(nginx, 'exit')
    },
  }
}

/** Objects follow each other in the order of their keys, in a hundred folders. */
function keyOf(index: number, count: number): string {
  return `data/part-${digits(Math.floor((index * folders) / count), 3)}/object-${digits(index, 7)}`
}

interface ListedBucket {
  readonly bucket: string
  readonly count: number
  readonly objectBytes: number
  readonly nameOf: (index: number, count: number) => string
}

function writeListing(directory: string, { bucket, count, objectBytes, nameOf }: ListedBucket): void {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (let from = 0; from < Math.max(1, count); from += pageObjects) {
    const to = Math.min(count, from + pageObjects)
    const next = to < count ? `<NextContinuationToken>p${to / pageObjects}</NextContinuationToken>` : ''
    const head =
      `<Name>${bucket}</Name><Prefix></Prefix><KeyCount>${to - from}</KeyCount><MaxKeys>${pageObjects}</MaxKeys>` +
      `<IsTruncated>${to < count}</IsTruncated>`
    const file = openSync(join(directory, `p${from / pageObjects}.xml`), 'w')
    writeSync(
      file,
      '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult ' +
        `xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${head}${next}`,
    )
    let entries = ''
    for (let index = from; index < to; index += 1) entries += entryOf(nameOf(index, count), index % bodies, objectBytes)
    writeSync(file, `${entries}</ListBucketResult>`)
    closeSync(file)
  }
}

function entryOf(key: string, body: number, objectBytes: number): string {
  const seconds = modifiedSeconds + body
  // As nginx makes it: time and length, both in hexadecimal.
  const etag = `${seconds.toString(16)}-${objectBytes.toString(16)}`
  return (
    `<Contents><Key>${key}</Key><LastModified>${new Date(seconds * 1000).toISOString()}</LastModified>` +
    `<ETag>&quot;${etag}&quot;</ETag><Size>${objectBytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  )
}

function digits(number: number, count: number): string {
  return String(number).padStart(count, '0')
}

function configuration(home: string, port: number): string {
  return `worker_processes 1; daemon off; pid ${home}/nginx.pid; error_log ${home}/error.log;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 10000000; keepalive_timeout 600;
  open_file_cache max=2000 inactive=600s; open_file_cache_valid 600s;
  default_type application/octet-stream; types { application/xml xml; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = / { return 200; }
    location ~ ^/(?<bucket>[a-z0-9-]+)/?$ { set $page p0;
      if ($args ~ "continuation-token=(p[0-9]+)") { set $page $1; }
      rewrite ^ /__list/$bucket/$page.xml last; }
    location /__list/ { internal; alias ${home}/list/; }
    location ~ object-[0-9]*(?<body>[0-9][0-9][0-9])$ { alias ${home}/bodies/$body; }
  }
}
`
}

async function answering(nginx: ChildProcess, url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (nginx.exitCode !== null) throw new Error('nginx did not start: is it installed (Debian: nginx-light)?')
    const ok = await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    )
    if (ok) return
    await delay(50)
  }
  throw new Error('nginx does not answer')
}
