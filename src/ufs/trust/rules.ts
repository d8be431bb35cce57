// Why: one table lists all rules for responses of a store, and a test can remove one rule and must
// then see what is lost. How: the rules of each kind of response, combined. docs/store-trust.md
// describes them.
import { type ListingRules, listingRules } from './listing-page.ts'
import { rangeProblem } from './range-answer.ts'

export interface TrustRules {
  readonly listing: ListingRules
  /** For the head of the response to a range GET. */
  readonly rangeProblem: typeof rangeProblem
}

export const trustRules: TrustRules = { listing: listingRules, rangeProblem }
