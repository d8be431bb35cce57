// Why: the limit of a load on this machine: the same objects over HTTP into files, by a program
// that does nothing else. How: plain node:http with connections that are kept; large objects in
// ranges. No listing, no checks, no retries.
//   node bare-download.mjs PLAN.json
//     {"url", "bucket", "folder", "connections", "objects": [{"key", "bytes"}]}
import { close, open, readFileSync, write } from 'node:fs'
import { Agent, get } from 'node:http'
import { promisify } from 'node:util'

const rangeBytes = 8 * 1024 * 1024
const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const [opened, written, closed] = [promisify(open), promisify(write), promisify(close)]
const agent = new Agent({ keepAlive: true, maxSockets: plan.connections })
const files = new Map()

function* parts() {
  for (const { key, bytes } of plan.objects)
    for (let from = 0; from < Math.max(1, bytes); from += rangeBytes)
      yield { key, bytes, from, to: Math.min(bytes, from + rangeBytes) }
}

async function fileOf(key, count) {
  const known = files.get(key) ?? { left: count, descriptor: opened(`${plan.folder}/${key}`, 'w') }
  files.set(key, known)
  return known
}

function body(part, each) {
  const isWhole = part.from === 0 && part.to === part.bytes
  const headers = isWhole ? {} : { range: `bytes=${part.from}-${part.to - 1}` }
  return new Promise((resolve, reject) => {
    get(`${plan.url}/${plan.bucket}/${part.key}`, { agent, headers }, (answer) => {
      if (answer.statusCode !== (isWhole ? 200 : 206)) reject(new Error(`${part.key}: ${answer.statusCode}`))
      let [at, last] = [part.from, Promise.resolve()]
      answer.on('data', (chunk) => {
        const to = at
        at += chunk.length
        last = last.then(() => each(chunk, to))
      })
      answer.on('error', reject)
      answer.on('end', () => last.then(() => (at === part.to ? resolve() : reject(new Error(part.key)))))
    }).on('error', reject)
  })
}

const all = parts()
async function work() {
  for (const part of all) {
    const file = await fileOf(part.key, Math.max(1, Math.ceil(part.bytes / rangeBytes)))
    const descriptor = await file.descriptor
    await body(part, (chunk, at) => written(descriptor, chunk, 0, chunk.length, at))
    file.left -= 1
    if (file.left > 0) continue
    files.delete(part.key)
    await closed(descriptor)
  }
}
await Promise.all(Array.from({ length: plan.connections }, work))
agent.destroy()
