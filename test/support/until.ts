// Why: what happens in the background has happened when it can be seen, not after some time. How:
// looks again and again, for as long as a slow machine may take, and says what it saw last.

const lookEveryMs = 150

/** Looks until `isDone` holds of what was seen. @throws Error with what was seen last */
export async function until<Seen>(
  look: () => Promise<Seen>,
  isDone: (seen: Seen) => boolean,
  withinMs = 100_000,
): Promise<Seen> {
  const giveUpMs = Date.now() + withinMs
  for (;;) {
    const seen = await look()
    if (isDone(seen)) return seen
    if (Date.now() > giveUpMs)
      throw new Error(`it did not come to that; seen last: ${JSON.stringify(seen)?.slice(0, 2000)}`)
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}
