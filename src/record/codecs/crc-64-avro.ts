/*
 * CRC-64-AVRO, the fingerprint of schemas in the Avro specification, section "Schema Fingerprints": a Rabin fingerprint, reflected, with
 * this polynomial as the value of the empty text too.
 */
const EMPTY = 0xc15d213aa4d7a795n

const table = Array.from({ length: 256 }, (_, byte) => {
  let entry = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) entry = (entry >> 1n) ^ (entry & 1n ? EMPTY : 0n)
  return entry
})

/** The fingerprint of bytes as 8 bytes, the lowest first, as it stands in front of a single object. */
export function crc64Avro(bytes: Uint8Array): Buffer {
  let crc = EMPTY
  for (const byte of bytes) crc = (crc >> 8n) ^ (table[Number((crc ^ BigInt(byte)) & 0xffn)] as bigint)
  const fingerprint = Buffer.alloc(8)
  fingerprint.writeBigUInt64LE(crc)
  return fingerprint
}
