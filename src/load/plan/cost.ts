// Why: stores charge for requests and for outgoing bytes. A plan shows both in advance. How: the
// number of requests follows from how job workers read: a small file with one request, larger
// blocks in ranges of a fixed size. Pure.
import { blockLength } from '../../base/block-id.ts'
import type { Piece } from '../load.ts'

/** How the objects of a namespace are read. */
export interface ReadShape {
  /** Bytes of one range request. */
  readonly rangeBytes: number
  /** Files of one block that are shorter than this are read whole. */
  readonly smallFileBytes: number
}

/** Prices of a store. Undefined: unknown. */
export interface Prices {
  readonly getPer10k: number | undefined
  readonly listPer10k: number | undefined
  readonly egressPerGb: number | undefined
  readonly currency: string
}

/** GET requests for the blocks of a piece. */
export function getRequests(piece: Piece, { rangeBytes, smallFileBytes }: ReadShape): number {
  if (piece.length < smallFileBytes && piece.length <= piece.blockSizeBytes) return piece.blockCount
  if (piece.blockCount === 0) return 0
  const last = piece.firstBlock + piece.blockCount - 1
  const lastBytes = blockLength(piece.length, piece.blockSizeBytes, last)
  return (piece.blockCount - 1) * Math.ceil(piece.blockSizeBytes / rangeBytes) + Math.ceil(lastBytes / rangeBytes)
}

export interface Spending {
  readonly gets: number
  readonly lists: number
  readonly bytes: number
}

export interface Cost {
  /** Undefined: no price is known. */
  readonly amount: number | undefined
  readonly basis: string
}

/** Cost of the requests and bytes. `source` names the origin of the prices. */
export function costOf({ gets, lists, bytes }: Spending, prices: Prices, source: string): Cost {
  const parts: readonly (readonly [number | undefined, number, string])[] = [
    [prices.getPer10k, gets / 10_000, 'per 10,000 GET'],
    [prices.listPer10k, lists / 10_000, 'per 10,000 LIST'],
    [prices.egressPerGb, bytes / 1024 ** 3, 'per GB read'],
  ]
  const known = parts.filter(([price]) => price !== undefined)
  if (known.length === 0) {
    return {
      amount: undefined,
      basis:
        'no price is known: set skein.price.get.per10k, ' +
        "skein.price.egress.per.gb, or the namespace's attributes of these names",
    }
  }
  const amount = known.reduce((sum, [price = 0, units]) => sum + price * units, 0)
  const missing = parts.filter(([price]) => price === undefined).map(([, , unit]) => unit)
  const without = missing.length === 0 ? '' : `; without a price ${missing.join(' and ')}`
  return { amount, basis: `${known.map(([price, , unit]) => `${price} ${unit}`).join(', ')} (${source})${without}` }
}
