// Why: some calls last as long as the tree below their path is large, and the user, who can stop
// them, is the only one who knows how long that may be. How: they get a deadline that no sound call
// reaches; a master that is gone is seen at once.

/** For calls that go through a tree, or move a file's bytes to the store. */
export const longCallMs = 24 * 3_600_000
