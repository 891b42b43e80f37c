/** A value cut out of a longer read would keep all of it in memory. */
export function ownBytes(value: Buffer): Buffer {
  if (value.buffer.byteLength <= value.length + 128) return value
  const copy = Buffer.allocUnsafeSlow(value.length)
  value.copy(copy)
  return copy
}
