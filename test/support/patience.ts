import { waitAtLeast } from '../../src/testing/wait-for.js'

/**
 * Milliseconds within which anything is over that waits for nothing, on the slowest machine. A test that wants to show how soon
 * something comes compares it with a wait that takes many times as long, not with a clock.
 */
export const patience = 30_000

/** A wait that a test would not sit through, as an option: whatever is over within `patience` did not wait for it. */
export const endless = '1m'

/** Milliseconds after which a wait for a condition is given up: several starts of processes, on the slowest machine. */
export const leastWait = 60_000

waitAtLeast(leastWait)
