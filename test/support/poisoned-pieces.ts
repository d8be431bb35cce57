// A pool of pieces that spoils what is given back, so that whoever still reads it is found out.
import { systemClock } from '../../src/base/clock.ts'
import { PiecePool } from '../../src/base/flow/piece-pool.ts'

export class PoisonedPieces extends PiecePool {
  givenBackBytes = 0

  constructor(pieceBytes = 512 * 1024, idleMax = 64) {
    super({ pieceBytes, idleMax, clock: systemClock })
  }

  override giveBack(part: Uint8Array): void {
    part.fill(0xdb)
    this.givenBackBytes += part.length
    super.giveBack(part)
  }
}
