// Why: with several master addresses a client asks each whether it is the one that answers. How: a
// master that serves is the primary. Sequence: src/client/master_inquire.rs of the Rust client.
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import { ServiceVersionClientServiceDefinition } from '../generated/goosefs/version.ts'
import { nativeService, type NativeServiceParts } from '../native-service.ts'

/** Of every service. Clients of one version only ask for an answer. */
const version = 2n

/** Callers need no session: they ask before they authenticate. */
export function versionService({ logger }: Pick<NativeServiceParts, 'logger'>): StreamMethod[] {
  return nativeService(
    ServiceVersionClientServiceDefinition,
    { getServiceVersion: async () => ({ version }) },
    { sessions: undefined, logger },
  )
}
