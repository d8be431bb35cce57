// Why: GooseFS's clients authenticate each channel before they use it. How: SIMPLE is one message
// of SASL PLAIN (RFC 4616) with a name and a password that means nothing; the answer is SUCCESS,
// and the session lasts as long as the stream. Sequence: src/auth of the Rust client, 0.2.2.
import { SkeinError } from '../../base/errors.ts'
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import { type SaslMessage, SaslAuthenticationServiceDefinition } from '../generated/goosefs/sasl.ts'
import { type Bidirectional, nativeService, type NativeServiceParts } from '../native-service.ts'
import type { ChannelSessions } from './channel-sessions.ts'

const schemes = { nosasl: 0, simple: 1 } as const
const success = 1
const userBytesMax = 256
type Authenticate = Bidirectional<(typeof SaslAuthenticationServiceDefinition)['methods']['authenticate']>

export function saslService(sessions: ChannelSessions, { logger }: Pick<NativeServiceParts, 'logger'>): StreamMethod[] {
  const authenticate: Authenticate = async (requests, _call, send) => {
    let end: (() => void) | undefined
    try {
      for await (const message of requests) {
        if (end !== undefined)
          throw new SkeinError('invalid_argument', 'the channel is authenticated: its stream has no more messages')
        end = sessions.begin(message.clientId ?? '', userOf(message, sessions))
        await send({ messageType: success })
      }
    } finally {
      end?.()
    }
  }
  return nativeService(SaslAuthenticationServiceDefinition, { authenticate }, { sessions: undefined, logger })
}

/** @throws SkeinError unauthenticated, invalid_argument */
function userOf({ authenticationScheme, message }: SaslMessage, { type }: ChannelSessions): string {
  if (authenticationScheme === schemes.nosasl && type === 'NOSASL') return ''
  if (authenticationScheme !== schemes.simple)
    throw new SkeinError(
      'unauthenticated',
      `the authentication scheme ${authenticationScheme ?? 'without a number'} is not supported: use SIMPLE`,
    )
  // authorization identity NUL authentication identity NUL password
  const [authorization = '', authentication = ''] = Buffer.from(message ?? [])
    .toString('utf8')
    .split('\0')
  const user = authorization === '' ? authentication : authorization
  if (user === '' || Buffer.byteLength(user) > userBytesMax || /[\p{Cc}\uFFFD]/u.test(user))
    throw new SkeinError('unauthenticated', 'the name of the user is missing, too long, or has control characters')
  return user
}
