// Why: in `skein local`, the doors and the roles that they ask are one process. How: what reaches
// these roles without a socket; all others are reached through the network.
import type { RawChannel } from '../wire/rpc/grpc.ts'
import type { BlockReadClient } from './read/file-reader.ts'
import type { BlockTarget } from './write/block-target.ts'

export interface RolesHere {
  /** By the address of an RPC port. */
  channelTo(address: string): RawChannel | undefined
  /** By the address of a data port. */
  blocksAt(address: string): BlockReadClient | undefined
  targetOf(workerId: string): BlockTarget | undefined
}
