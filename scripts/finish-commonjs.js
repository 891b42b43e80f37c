// What the compiler can't say of the CommonJS build: that it is one, and where its files are.
import { writeFileSync } from 'node:fs'

const folder = new URL('../dist/commonjs/', import.meta.url)
const here = `"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
/* As of the module of this name in the other build: what stands beside it is there once. */
exports.here = require("node:url").pathToFileURL(require("node:path").join(__dirname, "..", "here.js")).href;
`
writeFileSync(new URL('package.json', folder), '{ "type": "commonjs" }\n')
writeFileSync(new URL('here.js', folder), here)
