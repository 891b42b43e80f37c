import { findServer } from '../../src/testing/find-server.js'
import { memcachedProgram, redisProgram } from '../../src/testing/server-binaries.js'

/** The real servers that the tests start are found, or installed, once before the first test. */
export default async function globalSetup(): Promise<void> {
  await findServer(memcachedProgram)
  await findServer(redisProgram)
}
