import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Whether a process stands still after SIGSTOP. The signal is delivered thread by thread, some time after the call. */
export async function isSuspended(pid: number): Promise<boolean> {
  if (process.platform === 'linux') return allThreadsStopped(pid)
  const { stdout } = await run('ps', ['-o', 'state=', '-p', `${pid}`])
  return stdout.trim().startsWith('T')
}

async function allThreadsStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`)
  const states = await Promise.all(threads.map((thread) => threadState(pid, thread)))
  return states.every((state) => state === 'T')
}

/** The state follows the name, which stands in parentheses and may hold anything. */
async function threadState(pid: number, thread: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2)[0]
}
