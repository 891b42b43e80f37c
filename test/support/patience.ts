import { waitAtLeast } from '../../src/testing/wait-for.js'

/**
 * Milliseconds after which a wait is given up, on the slowest machine. What is awaited comes as soon as it can: a test
 * that wants to show how soon compares it with something that takes many times as long, not with a clock.
 */
export const patience = 30_000

/**
 * A wait that a test would not sit through, as an option. Whatever is over within `patience` did not wait for it, on the slowest
 * machine too.
 */
export const endless = '1m'

waitAtLeast(patience)
