import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Cluster, type ClusterOptions } from './cluster.js'
import { Control } from './control.js'
import { EventLog } from './event-log.js'
import { portError } from './free-ports.js'

/** The whole demo: the cluster, and one HTTP server with the balancer and the control behind it. */
export class Demo {
  readonly log = new EventLog()
  readonly cluster: Cluster
  readonly #control: Control
  readonly #server: Server

  constructor(options: ClusterOptions) {
    this.cluster = new Cluster(options, this.log)
    this.#control = new Control(this.cluster, this.log)
    this.#server = createServer((req, res) => {
      if (!this.#control.handle(req, res)) this.cluster.balancer.handle(req, res)
    })
    this.#server.keepAliveTimeout = 65_000
  }

  /** The port of the page. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Throws a `DemoError` when the port is taken or a process can't start; nothing runs then. */
  async start(host: string, port: number): Promise<void> {
    await this.#listen(host, port)
    await this.cluster.start()
  }

  async stop(): Promise<void> {
    this.#control.close()
    this.#server.close()
    this.#server.closeAllConnections()
    await this.cluster.stop()
  }

  #listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(portError(error, port, host, '--port')))
      this.#server.listen(port, host, resolve)
    })
  }
}
