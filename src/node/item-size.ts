import { ItemTooLargeError } from '../errors.js'

/** Longest key in bytes that memcached takes. */
export const maxKeyBytes = 250

/** memcached's default item size of 1 MiB holds key and bookkeeping too. */
export const defaultMaxValueBytes = 1024 * 1024 - 1024

/** Larger values are neither written nor read by any kind of node. */
export const largestValueBytes = 16 * 1024 * 1024

/** The same limits on every kind of node, so that a session which fits one fits the others. */
export function checkItemSize(
  node: { address: string; maxValueBytes: number },
  key: string,
  valueBytes: number,
): ItemTooLargeError | undefined {
  if (valueBytes > node.maxValueBytes) {
    return new ItemTooLargeError(
      `a value of ${valueBytes} bytes is too large for storage node ${node.address}, which takes ${node.maxValueBytes}`,
    )
  }
  // No character takes more than three bytes: short keys need no counting.
  if (key.length * 3 <= maxKeyBytes || Buffer.byteLength(key) <= maxKeyBytes) return undefined
  return new ItemTooLargeError(`a key of more than ${maxKeyBytes} bytes is too long for storage node ${node.address}`)
}
