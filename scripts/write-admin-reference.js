// Writes the tables of docs/admin.md from the MBeans and metrics. Needs the build: `npm run docs` does both.
import { readFileSync, writeFileSync } from 'node:fs'
import { withAdminReference } from '../dist/mbeans/admin-reference.js'

const page = new URL('../docs/admin.md', import.meta.url)
writeFileSync(page, withAdminReference(readFileSync(page, 'utf8')))
