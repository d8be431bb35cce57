// Why: in `skein local`, the doors and the roles that they ask are one process. How: what reaches
// these roles without a socket; all others are reached through the network.
import type { RawChannel } from '../wire/rpc/grpc.ts'
import type { BlockReadClient } from './read/file-reader.ts'
import type { StoreReadClient } from './read/worker-origin-reader.ts'
import type { BlockTarget } from './write/block-target.ts'

export interface RolesHere {
  /** By the address of an RPC port. */
  channelTo(address: string): RawChannel | undefined
  /** By the address of a data port. */
  blocksAt(address: string): BlockReadClient | undefined
  /** What is read from a store through the worker at a data port; it is asked before all others. */
  storeAt?(address: string): StoreReadClient | undefined
  targetOf(workerId: string): BlockTarget | undefined
}
