// Why: all servers of a measurement get the same requests from the same client. How: curl for large
// bodies, because it costs less than a client in Node.js; many small requests on a few connections
// of this process.
import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'

/** Gets all bodies one after the other, through redirects, on one connection, and drops them. */
export async function downloadAll(urls: readonly string[]): Promise<void> {
  const code = await new Promise<number | null>((resolve, reject) => {
    const args = ['-s', '-f', '-L', ...urls.flatMap((url) => ['-o', '/dev/null', url])]
    const child = spawn('curl', args, { stdio: 'ignore' })
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`curl ended with ${code}`)
}

/** Sends files one after the other on one connection. */
export async function uploadAll(files: readonly { readonly path: string; readonly url: string }[]): Promise<void> {
  const transfers = files.flatMap(({ path, url }, index) => [
    ...(index === 0 ? [] : ['--next']),
    ...['-s', '-f', '-o', '/dev/null', '-T', path, url],
  ])
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn('curl', transfers, { stdio: 'ignore' })
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`curl ended with ${code}`)
}

/** Small requests, `atOnce` at a time. */
export async function requestAll(urls: readonly string[], atOnce: number, bytes?: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  let next = 0
  const work = async (): Promise<void> => {
    for (let url = urls[next++]; url !== undefined; url = urls[next++]) await requestOne(agent, url, bytes)
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, work))
  } finally {
    agent.destroy()
  }
}

function requestOne(agent: Agent, url: string, bytes: number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, (response) => {
      let got = 0
      response.on('data', (chunk: Buffer) => (got += chunk.length))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200 && (bytes === undefined || got === bytes)) resolve()
        else reject(new Error(`${url}: ${response.statusCode}, ${got} bytes`))
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}
