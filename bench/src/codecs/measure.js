import assert from 'node:assert/strict'
import { median } from '../statistics.js'
import { subjects } from './subjects.js'

/**
 * @typedef {object} Figures
 * @property {string} subject
 * @property {number} bytes
 * @property {number} encode microseconds of CPU time a session, median over the rounds
 * @property {number} decode
 */

/** Windows whose figures are thrown away: by then the hot functions are compiled. */
const WARM_UP = 3

/**
 * In a round every subject has one window, so that whatever else slows the machine down for a while meets them all.
 *
 * @param {object} session
 * @param {{ rounds: number, milliseconds: number }} options milliseconds: length of a window, about
 * @returns {Figures[]}
 */
export function measure(session, { rounds, milliseconds }) {
  const works = subjects.map((subject) => worksOf(subject, session))
  const samples = works.map(() => ({ encode: [], decode: [] }))
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (const [index, { encode, decode }] of works.entries()) {
      const sample = { encode: timeOf(encode, milliseconds), decode: timeOf(decode, milliseconds) }
      if (round < 0) continue
      samples[index].encode.push(sample.encode)
      samples[index].decode.push(sample.decode)
    }
  }
  return works.map(({ name, bytes }, index) => ({
    subject: name,
    bytes,
    encode: median(samples[index].encode),
    decode: median(samples[index].decode),
  }))
}

/* What does not come back as it was is not worth being measured. */
function worksOf({ name, encode, decode, size }, session) {
  const encoded = encode(session)
  assert.deepEqual(decode(encoded), session, `${name} gives back another session`)
  return { name, bytes: size(encoded), encode: () => encode(session), decode: () => decode(encoded) }
}

/** Microseconds of CPU time a call, the garbage collector's share included. */
function timeOf(work, milliseconds) {
  const end = performance.now() + milliseconds
  const before = process.cpuUsage()
  let calls = 0
  do {
    for (let left = 20; left > 0; left -= 1) work()
    calls += 20
  } while (performance.now() < end)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}
