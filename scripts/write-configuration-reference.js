// Writes docs/configuration.md from the schema. Needs the build: `npm run docs` does both.
import { writeFileSync } from 'node:fs'
import { configurationReference } from '../dist/config/configuration-reference.js'

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationReference())
