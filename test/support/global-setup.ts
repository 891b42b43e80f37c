import {
  apacheProgram,
  haproxyProgram,
  memcachedProgram,
  nginxProgram,
  redisProgram,
} from '../../src/testing/server-binaries.js'
import { findOrInstall } from './find-or-install.js'

/** The real servers that the tests start are found, or installed, once before the first test. */
export default async function globalSetup(): Promise<void> {
  await findOrInstall(memcachedProgram)
  await findOrInstall(redisProgram)
  // The tests that need it say what is missing: the others can do without.
  for (const program of [haproxyProgram, nginxProgram, apacheProgram]) await findOrInstall(program).catch(() => {})
}
