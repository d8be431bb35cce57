// Why: tests speak GooseFS's protocol as its clients do, and as none does. How: grpc-js with the
// generated messages; a channel that says who it is, as they do.
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { randomUUID } from 'node:crypto'
import { SaslAuthenticationServiceDefinition, type SaslMessage } from '../../src/goosefs-rpc/generated/goosefs/sasl.ts'
import type { MethodDefinition, ServiceDefinition } from '../../src/wire/service.ts'

type Request<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>
type Response<M extends MethodDefinition> = ReturnType<M['responseType']['decode']>

/** A call under way. */
export interface NativeStream<Sent, Received> {
  send(message: Sent): void
  sendBytes(message: Uint8Array): void
  /** No more requests. */
  end(): void
  cancel(): void
  /** The next answer; undefined after the last one, if the status is OK. Throws the status. */
  next(): Promise<Received | undefined>
  /** All answers that are left. */
  rest(): Promise<Received[]>
}

export class NativeClient {
  readonly channelId = randomUUID()
  readonly #client: Client
  #login: NativeStream<SaslMessage, SaslMessage> | undefined

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  }

  /** As SIMPLE does; the stream stays open. */
  async login(user: string, channelId = this.channelId): Promise<void> {
    const stream = this.open(SaslAuthenticationServiceDefinition, 'authenticate', {})
    stream.send({
      ...{ messageType: 0, message: Buffer.from(`\0${user}\0noPassword`), clientId: channelId },
      ...{ authenticationScheme: 1, channelRef: 'test' },
    })
    await stream.next()
    this.#login = stream
  }

  logout(): void {
    this.#login?.end()
  }

  open<D extends ServiceDefinition, M extends keyof D['methods'] & string>(
    definition: D,
    methodName: M,
    metadata: Readonly<Record<string, string>> = { 'channel-id': this.channelId },
  ): NativeStream<Request<D['methods'][M]>, Response<D['methods'][M]>> {
    const method = definition.methods[methodName] as MethodDefinition
    const sent = new Metadata()
    for (const [name, value] of Object.entries(metadata)) sent.set(name, value)
    const path = `/${definition.fullName}/${method.name}`
    const same = (bytes: Buffer): Buffer => bytes
    const call = this.#client.makeBidiStreamRequest(path, same, same, sent)
    const received: Buffer[] = []
    let [ended, failed, wake]: [boolean, ServiceError | undefined, () => void] = [false, undefined, () => undefined]
    call.on('data', (bytes: Buffer) => {
      received.push(bytes)
      wake()
    })
    call.on('error', (error: ServiceError) => {
      failed = error
      wake()
    })
    call.on('end', () => {
      // The status comes after the last message.
      call.once('status', () => wake())
    })
    call.on('status', () => {
      ended = true
      wake()
    })
    const next = async (): Promise<Response<D['methods'][M]> | undefined> => {
      while (received.length === 0 && failed === undefined && !ended)
        await new Promise<void>((resolve) => (wake = resolve))
      const bytes = received.shift()
      if (bytes !== undefined) return method.responseType.decode(bytes) as Response<D['methods'][M]>
      if (failed !== undefined) throw failed
      return undefined
    }
    return {
      send: (message) => call.write(Buffer.from(method.requestType.encode(message as never).finish())),
      sendBytes: (message) => call.write(Buffer.from(message)),
      end: () => call.end(),
      cancel: () => call.cancel(),
      next,
      rest: async () => {
        const all: Response<D['methods'][M]>[] = []
        for (let one = await next(); one !== undefined; one = await next()) all.push(one)
        return all
      },
    }
  }

  /** One request; the first answer. Throws the status. */
  async call<D extends ServiceDefinition, M extends keyof D['methods'] & string>(
    definition: D,
    methodName: M,
    request: Request<D['methods'][M]>,
    metadata?: Readonly<Record<string, string>>,
  ): Promise<Response<D['methods'][M]>> {
    const stream = this.open(definition, methodName, metadata)
    stream.send(request)
    stream.end()
    const [first] = await stream.rest()
    if (first === undefined) throw new Error(`${methodName} had no answer`)
    return first
  }

  /** One request; the bytes of all answers, which are not decoded. Throws the status. */
  countBytes<D extends ServiceDefinition, M extends keyof D['methods'] & string>(
    definition: D,
    methodName: M,
    request: Request<D['methods'][M]>,
  ): Promise<number> {
    const method = definition.methods[methodName] as MethodDefinition
    const sent = new Metadata()
    sent.set('channel-id', this.channelId)
    const same = (bytes: Buffer): Buffer => bytes
    const call = this.#client.makeBidiStreamRequest(`/${definition.fullName}/${method.name}`, same, same, sent)
    call.write(Buffer.from(method.requestType.encode(request as never).finish()))
    let bytes = 0
    return new Promise((resolve, reject) => {
      call.on('data', (message: Buffer) => (bytes += message.length))
      call.on('error', reject)
      call.on('end', () => resolve(bytes))
      // The caller of this protocol ends its half when it has all.
      call.end()
    })
  }

  close(): void {
    this.#client.close()
  }
}
