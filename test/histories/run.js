import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

/* Not by jiti, as the simulation is: what it puts around Express' own modules remembers the values of their getters. */
await runnerImport(fileURLToPath(new URL('./main.ts', import.meta.url)))

/* Nothing is open any more; without this Node 20 was seen to turn for ever in its own clean-up. */
process.exit()
