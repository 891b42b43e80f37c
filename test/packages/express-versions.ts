import { createRequire } from 'node:module'
import express from 'express'

/* Express 4 stands beside Express 5 under another name, and brings no types of its own. */
const express4 = createRequire(import.meta.url)('express4') as typeof express

/** For `describe.each`: what holds under one version has to hold under the other. */
export const expressVersions = [
  { version: 'Express 5', express },
  { version: 'Express 4', express: express4 },
]
