import { type Clock, systemClock } from '../../clock.js'
import { AdminRequestError } from '../../errors.js'
import type { MBean } from './mbean.js'
import { nameMatches, type ObjectName, parseObjectName } from './object-name.js'

/** The MBeans of one process, by name. They may come and go while it runs. */
export class MBeanRegistry {
  private readonly beans = new Map<string, MBean>()
  private readonly clock: Clock
  /** When an MBean last came or went, in milliseconds since the epoch. */
  lastChange: number

  constructor(clock: Clock = systemClock) {
    this.clock = clock
    this.lastChange = clock.now()
  }

  /** @returns what takes the MBean away again. @throws {TypeError} when its name is taken. */
  register(bean: MBean): () => void {
    const key = bean.name.canonical
    if (this.beans.has(key)) throw new TypeError(`an MBean ${key} is registered already`)
    this.beans.set(key, bean)
    this.lastChange = this.clock.now()
    return () => {
      if (this.beans.get(key) === bean) this.unregister(key)
    }
  }

  /** @returns whether there was one. */
  unregister(name: string): boolean {
    const removed = this.beans.delete(parseObjectName(name).canonical)
    if (removed) this.lastChange = this.clock.now()
    return removed
  }

  /** @throws {AdminRequestError} `unknown-mbean` */
  get(name: ObjectName): MBean {
    const bean = this.beans.get(name.canonical)
    if (bean === undefined) throw new AdminRequestError('unknown-mbean', name.text)
    return bean
  }

  /** The MBeans that a pattern describes, in the order of their registration; none is no error. */
  query(pattern: ObjectName): MBean[] {
    if (!pattern.isPattern) return [this.beans.get(pattern.canonical)].flatMap((bean) => bean ?? [])
    return this.all().filter((bean) => nameMatches(pattern, bean.name))
  }

  all(): MBean[] {
    return [...this.beans.values()]
  }
}
