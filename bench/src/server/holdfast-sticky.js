import { createHoldfast } from './holdfast.js'

/** @param {{ storagePorts: number[] }} settings */
export async function createSubject({ storagePorts }) {
  return createHoldfast('sticky', storagePorts)
}
