// Why: whoever asks what is believed of a store finds all of it in one table, and a test can take
// one rule away and must see what is lost without it. How: the rules of each kind of answer,
// joined; docs/store-trust.md says them in words.
import { type ListingRules, listingRules } from './listing-page.ts'
import { rangeProblem } from './range-answer.ts'

export interface TrustRules {
  readonly listing: ListingRules
  /** Of the head of an answer to a range GET. */
  readonly rangeProblem: typeof rangeProblem
}

export const trustRules: TrustRules = { listing: listingRules, rangeProblem }
