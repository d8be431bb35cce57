// Why: the limit of a PUT is a server that does nothing but write the bytes to its disk. How: each
// body goes to a file, with back-pressure; the answer comes when the file is closed, and with
// `sync` when the disk has it. A program of its own: it is given a folder, sends its port to its
// parent, and ends with it.
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

const folder = process.argv[2] ?? '.'
const flush = process.argv[3] === 'sync'
let files = 0
const server = createServer((request, response) => {
  files += 1
  const file = createWriteStream(join(folder, `${files % 32}`), { highWaterMark: 1024 * 1024, flush })
  pipeline(request, file).then(
    () => response.end(),
    () => response.destroy(),
  )
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
