/** An attribute that may be changed by whoever looks at the page. */
export interface Setting {
  readonly mbean: string
  readonly name: string
  /** The name of the type in Java: `int`, `java.lang.String`, … */
  readonly type: string
  readonly description: string
}

interface BeanInfo {
  attr?: Record<string, { type: string; desc: string; rw: boolean; w: boolean }>
  op?: Record<string, { desc: string; canInvoke: boolean }>
}

/** Operations of the page that change something. */
const changing = [
  ...['drain', 'undrain', 'flush', 'reprotect', 'reset'],
  ...['expireSession', 'destroySession', 'destroyAllSessions'],
]

/** What the server's `list` tells: which MBeans there are, and what of them whoever asks may change and call. */
export class Permissions {
  private readonly infos: ReadonlyMap<string, BeanInfo>

  /** @param domains the value of `list`: MBeans by domain and property list. */
  constructor(domains: unknown = {}) {
    const named = domains as Record<string, Record<string, BeanInfo>>
    this.infos = new Map(
      Object.entries(named).flatMap(([domain, beans]) =>
        Object.entries(beans).map(([properties, info]) => [`${domain}:${properties}`, info] as const),
      ),
    )
  }

  knows(mbean: string): boolean {
    return this.infos.has(mbean)
  }

  canInvoke(mbean: string, operation: string): boolean {
    return this.infos.get(mbean)?.op?.[operation]?.canInvoke === true
  }

  /** Whether anything at all may be changed. */
  get canChange(): boolean {
    const callable = [...this.infos.keys()].some((mbean) => changing.some((name) => this.canInvoke(mbean, name)))
    return callable || this.settings().length > 0
  }

  /** Attributes that may be read and written, in the server's order. */
  settings(): Setting[] {
    return [...this.infos].flatMap(([mbean, { attr = {} }]) =>
      Object.entries(attr)
        .filter(([, { rw }]) => rw)
        .map(([name, { type, desc }]) => ({ mbean, name, type, description: desc })),
    )
  }
}
