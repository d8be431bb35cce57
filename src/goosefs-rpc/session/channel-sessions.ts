// Why: a client of GooseFS says who it is once a channel, on a stream that stays open, and every
// later call has the channel's number. The name is a claim: this protocol has no secret. How:
// channels that said who they are, while their stream is open. Those that ended are remembered for
// a time, so that their calls are refused and the client begins again; a number that was never seen
// is a client without SASL. Both kinds are bounded.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

/** `SIMPLE`: every channel must say who it is. `NOSASL`: it may. */
export type AuthenticationType = 'NOSASL' | 'SIMPLE'

export interface ChannelSessionsOptions {
  readonly type: AuthenticationType
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Open channels. Default: 10,000. */
  readonly channelsMax?: number
}

/** How long, and how many of, the channels that ended are known. */
const endedMs = 600_000
const endedMax = 10_000
const idCharactersMax = 200

export class ChannelSessions {
  readonly #options: ChannelSessionsOptions
  readonly #users = new Map<string, string>()
  /** When they ended, in this order. */
  readonly #ended = new Map<string, number>()

  constructor(options: ChannelSessionsOptions) {
    this.#options = options
  }

  get type(): AuthenticationType {
    return this.#options.type
  }

  /**
   * @returns ends the session
   * @throws SkeinError invalid_argument, unauthenticated when somebody has the channel,
   *   resource_exhausted
   */
  begin(channelId: string, user: string): () => void {
    const { channelsMax = 10_000 } = this.#options
    if (channelId === '' || channelId.length > idCharactersMax)
      throw new SkeinError('invalid_argument', 'the id of a channel has 1 to 200 characters')
    // A second stream for a channel would take the name of the first away, or give it its own.
    if (this.#users.has(channelId))
      throw new SkeinError('unauthenticated', 'the channel is in use: choose another id for it')
    if (this.#users.size >= channelsMax)
      throw new SkeinError('resource_exhausted', `${channelsMax} channels are open, as many as there may be`)
    this.#users.set(channelId, user)
    this.#ended.delete(channelId)
    return () => {
      if (!this.#users.delete(channelId)) return
      this.#ended.set(channelId, this.#options.clock.monotonicMs())
      this.#forgetOld()
    }
  }

  /**
   * Who calls; undefined: somebody who did not say.
   * @throws SkeinError unauthenticated
   */
  userOf(channelId: string | undefined): string | undefined {
    const user = channelId === undefined ? undefined : this.#users.get(channelId)
    if (user !== undefined) return user
    this.#forgetOld()
    if (channelId !== undefined && this.#ended.has(channelId))
      throw new SkeinError('unauthenticated', 'the channel has ended: authenticate again')
    if (this.#options.type === 'SIMPLE')
      throw new SkeinError('unauthenticated', 'the channel is not authenticated, and this cluster requires SIMPLE')
    return undefined
  }

  #forgetOld(): void {
    const before = this.#options.clock.monotonicMs() - endedMs
    for (const [id, atMs] of this.#ended) {
      if (atMs >= before && this.#ended.size <= endedMax) return
      this.#ended.delete(id)
    }
  }
}
