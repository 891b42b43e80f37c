import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { balancer } from '../../src/cli/balancer/balancer-command.js'
import { loadOptions } from '../../src/config/load-file.js'
import { parseSettings } from '../../src/config/parse-settings.js'
import { Opened } from '../../src/testing/opened.js'
import { systemdProgram } from '../../src/testing/server-binaries.js'
import { findOrInstall } from '../support/find-or-install.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))

/** What a file of YAML has, document by document. Wrong YAML and keys that are there twice are errors. */
function yaml(file: string): Json[] {
  return parseAllDocuments(read(file), { strict: true, uniqueKeys: true, merge: true }).map((document) => {
    expect(document.errors.concat(document.warnings), file).toEqual([])
    return document.toJS() as Json
  })
}

/** What a file says, of which the test knows where to look. */
type Json = ReturnType<typeof JSON.parse>

/** The configuration that a server gets with these variables; throws what `holdfast check` would say. */
function settingsWith(environment: Record<string, string>) {
  for (const name of ['SESSION_MODE', 'SESSION_COOKIE', 'SESSION_BACKUP']) vi.stubEnv(name, undefined)
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  const { options, source } = loadOptions(join(root, 'deploy/app/holdfast.config.yaml'))
  return parseSettings(options, source)
}

const sha256 = 'a'.repeat(64)
/** Seconds that server.js takes at most: until the balancer has noticed, for the last requests, to store. */
const shutDown = 6 + 2 + 10

async function printed(args: string): Promise<string> {
  let text = ''
  const take = (more: string): void => {
    text += more
  }
  await balancer(args.split(' '), { stdout: { write: take }, stderr: { write: take } })
  return text
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the files for deployment', () => {
  const yamls = [...filesBelow('deploy'), ...filesBelow('examples'), 'docker-compose.yml'].filter((file) =>
    /\.ya?ml$/.test(file),
  )

  it.each(yamls)('%s is YAML', (file) => {
    expect(yaml(file).length).toBeGreaterThan(0)
  })

  it('take the time of server.js that the others count with', () => {
    const server = read('deploy/app/server.js')
    expect(server).toContain('DRAIN_MS ?? 6000')
    expect(server).toContain('lastRequests = 2000')
    expect(server).toContain('timeout: 10_000')
  })

  it('name an image with a version, always', () => {
    const images = yamls.flatMap((file) => Array.from(read(file).matchAll(/^\s*image: (\S+)/gm), ([, image]) => image))
    const base = Array.from(read('deploy/Dockerfile').matchAll(/^FROM (\S+)/gm), ([, image]) => image)
    expect(images.length).toBeGreaterThan(8)
    for (const image of [...images, ...base]) expect(image).toMatch(/:\d+(\.\d+)*|:v\d|^holdfast-shop$/)
  })
})

describe('the Dockerfile', () => {
  const lines = read('deploy/Dockerfile').split('\n')

  it('copies from stages that are there, and files that the context has', () => {
    const stages = lines.flatMap((line) => /^FROM \S+ AS (\S+)/.exec(line)?.[1] ?? [])
    for (const line of lines.filter((text) => text.startsWith('COPY'))) {
      const stage = /--from=(\S+)/.exec(line)?.[1]
      if (stage !== undefined) {
        expect(stages).toContain(stage)
        continue
      }
      for (const source of line.split(' ').slice(1, -1)) {
        expect(existsSync(join(root, source)), source).toBe(true)
        expect(read('.dockerignore'), source).toMatch(new RegExp(`^!${source.split('/').slice(0, 2).join('/')}`, 'm'))
      }
    }
  })

  it('has in its first stage all that is packed, and what makes it', () => {
    const copied = lines.filter((line) => line.startsWith('COPY')).join(' ')
    const { files, scripts } = JSON.parse(read('package.json'))
    for (const file of files.filter((name: string) => name !== 'dist')) expect(copied).toContain(file)
    for (const [, config] of scripts.build.matchAll(/-p (\S+)/g)) expect(copied).toContain(config)
  })

  it('runs the server itself, and not as root', () => {
    expect(lines).toContain('USER node')
    expect(lines).toContain('CMD ["node", "server.js"]')
  })
})

describe('the compose file', () => {
  const [compose] = yaml('deploy/compose.yaml')
  const services = Object.entries<Json>(compose.services)
  const example = Object.fromEntries(
    read('deploy/compose/example.env')
      .split('\n')
      .filter((line) => /^\w+=/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )

  /** As compose replaces variables: from the file .env, or by the default. */
  function replaced(text: string): string {
    return text.replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_all, name: string, kind: string, other: string) => {
      const value = example[name] ?? (kind === '-' ? other : undefined)
      if (value === undefined) throw new Error(`${name} is not in example.env`)
      return value
    })
  }

  it('depends on services, and mounts files, that there are', () => {
    for (const [, service] of services) {
      const needed = Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on ?? {})
      for (const other of needed) expect(Object.keys(compose.services)).toContain(other)
      for (const volume of service.volumes ?? []) {
        expect(existsSync(join(root, 'deploy', volume.split(':')[0])), volume).toBe(true)
      }
    }
    expect(existsSync(join(root, 'deploy', compose['x-shop'].build.context, compose['x-shop'].build.dockerfile))).toBe(
      true,
    )
  })

  it('waits for healthy services only where there is a health check', () => {
    for (const [, service] of services) {
      for (const [other, { condition }] of Object.entries<Json>(
        Array.isArray(service.depends_on) ? {} : (service.depends_on ?? {}),
      )) {
        if (condition === 'service_healthy') expect(compose.services[other].healthcheck, other).toBeDefined()
      }
    }
  })

  it('publishes each port once, on loopback', () => {
    const ports = services.flatMap(([, { ports = [] }]) => ports as string[])
    expect(new Set(ports).size).toBe(ports.length)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  it('gives each server a configuration that can be used, with its own route and nodes that there are', () => {
    const apps = services.filter(([name]) => name.startsWith('app'))
    expect(apps.map(([name]) => name)).toEqual(['app1', 'app2', 'app3'])
    for (const [name, { environment, stop_grace_period }] of apps) {
      const values = Object.fromEntries(Object.entries<string>(environment).map(([key, text]) => [key, replaced(text)]))
      const settings = settingsWith(values)
      expect(settings.route).toBe(name)
      expect(settings.admin?.allowedHosts).toEqual([`${name}:9400`])
      expect(settings.nodes.map(({ host }) => host)).toEqual(['memcached1', 'memcached2'])
      expect(Number.parseInt(stop_grace_period, 10)).toBeGreaterThan(shutDown)
    }
  })

  it('has Sentinels for the address that example.env names', () => {
    const address = /^# SESSION_NODES=(.*)$/m.exec(read('deploy/compose/example.env'))?.[1] as string
    const [, sentinels = '', group] = /^redis\+sentinel:\/\/(.*)\/(\w+)$/.exec(address) ?? []
    for (const host of sentinels.split(',')) expect(Object.keys(compose.services)).toContain(host)
    expect(read('deploy/compose/sentinel.conf')).toContain(`sentinel monitor ${group} redis1 6379 2`)
    const values = { SESSION_SECRET: 'x'.repeat(20), ROUTE: 'a', METRICS_TOKEN_SHA256: sha256, SESSION_NODES: address }
    expect(settingsWith(values).nodes).toHaveLength(1)
  })

  it('has in example.env the digest of the token there', async () => {
    const { createHash } = await import('node:crypto')
    expect(
      createHash('sha256')
        .update(example.METRICS_TOKEN as string)
        .digest('hex'),
    ).toBe(example.METRICS_TOKEN_SHA256)
  })

  it('has Prometheus ask the servers for what their configuration lets it ask', () => {
    const [prometheus] = yaml('examples/prometheus/prometheus.yml')
    const [job] = prometheus.scrape_configs
    expect(job.static_configs[0].targets).toEqual(['app1:9400', 'app2:9400', 'app3:9400'])
    const mounts = compose.services.prometheus.volumes.map((volume: string) => volume.split(':')[1])
    for (const file of prometheus.rule_files) expect(mounts).toContain(`/etc/prometheus/${file}`)
    expect(compose.services.prometheus.secrets[0].target).toBe(job.authorization.credentials_file)
  })

  it('has the configuration of HAProxy that the command prints', async () => {
    const [first = '', ...rest] = read('deploy/compose/haproxy.cfg').split('\n')
    expect(rest.join('\n')).toBe(await printed(first.replace('# Made by: holdfast balancer ', '')))
  })
})

describe('the manifests for Kubernetes', () => {
  const files = filesBelow('deploy/kubernetes')
  const objects = files.flatMap(yaml)
  const find = (kind: string, name: string): Json =>
    objects.find((object) => object.kind === kind && object.metadata.name === name)
  const workloads = objects.filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
  const shops = workloads.filter(({ metadata }) => metadata.name === 'shop')

  it('are objects with a version, a kind and a name', () => {
    expect(objects.length).toBeGreaterThan(12)
    for (const { apiVersion, kind, metadata } of objects) {
      expect(apiVersion).toMatch(/^([a-z0-9.]+\/)?v\d/)
      expect(kind).toMatch(/^[A-Z]/)
      expect(metadata.name).toMatch(/^[a-z][a-z0-9-]*$/)
    }
  })

  it('select pods that there are', () => {
    const labels = workloads.map(({ spec }) => spec.template.metadata.labels.app)
    for (const { spec } of workloads) expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels)
    for (const { kind, spec } of objects) {
      const selector = kind === 'Service' ? spec.selector : (spec?.podSelector ?? spec?.selector)?.matchLabels
      if (selector !== undefined) expect(labels).toContain(selector.app)
    }
  })

  it('probe, and lead to, ports that containers have', () => {
    for (const { spec } of workloads) {
      const [container] = spec.template.spec.containers
      const names = container.ports.map(({ name }: Json) => name)
      for (const probe of [container.readinessProbe, container.livenessProbe]) {
        const port = (probe?.httpGet ?? probe?.tcpSocket)?.port
        if (port !== undefined) expect(names).toContain(port)
      }
      for (const { spec: service } of objects.filter(({ kind }) => kind === 'Service')) {
        if (service.selector.app !== spec.template.metadata.labels.app) continue
        for (const { port, targetPort = port } of service.ports) {
          const found = container.ports.some(({ name, containerPort }: Json) =>
            [name, containerPort].includes(targetPort),
          )
          expect(found, String(targetPort)).toBe(true)
        }
      }
    }
    expect(find('PodMonitor', 'shop').spec.podMetricsEndpoints[0].port).toBe('admin')
  })

  it('give the shop a readiness probe, a liveness probe, and the time to go', () => {
    expect(shops).toHaveLength(2)
    for (const { spec } of shops) {
      const { containers, terminationGracePeriodSeconds } = spec.template.spec
      expect(containers[0].readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'admin' })
      expect(containers[0].livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'admin' })
      expect(terminationGracePeriodSeconds).toBeGreaterThan(shutDown)
    }
  })

  it('give the shop a configuration that can be used, with the name of the pod as its route', () => {
    const services = new Set(objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name))
    for (const { kind, spec } of shops) {
      const pod = kind === 'StatefulSet' ? 'shop-0' : 'shop-7d9c5b6f4-x2x8k'
      const fields: Record<string, string> = { 'metadata.name': pod, 'status.podIP': '10.1.2.3' }
      const secrets: Record<string, string> = { 'session-secret': 'x'.repeat(32), 'metrics-token-sha256': sha256 }
      const values: Record<string, string> = {}
      for (const { name, value, valueFrom } of spec.template.spec.containers[0].env) {
        const from = fields[valueFrom?.fieldRef?.fieldPath] ?? secrets[valueFrom?.secretKeyRef?.key]
        values[name] = from ?? value.replaceAll(/\$\((\w+)\)/g, (_all: string, other: string) => values[other])
      }
      const settings = settingsWith(values)
      expect(settings.route).toBe(pod)
      expect(settings.mode).toBe(kind === 'StatefulSet' ? 'sticky' : 'non-sticky')
      expect(settings.admin?.allowedHosts).toEqual(['10.1.2.3:9400'])
      for (const { host } of settings.nodes) {
        const [podName = '', service] = host.split('.')
        expect(services).toContain(service)
        const { replicas } = find('StatefulSet', service as string).spec
        expect(Number(podName.split('-')[1])).toBeLessThan(replicas)
      }
    }
  })

  it('run as no root, on a file system that nobody writes to, within limits', () => {
    for (const { spec } of workloads) {
      expect(spec.template.spec.securityContext.runAsNonRoot).toBe(true)
      const [{ securityContext, resources }] = spec.template.spec.containers
      expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true })
      expect(resources.limits.memory).toBe(resources.requests.memory)
    }
  })

  it('have the configuration of HAProxy that the command prints, for all pods', async () => {
    const text = read('deploy/kubernetes/haproxy.yaml')
    const args = /# holdfast balancer (.*)$/m.exec(text)?.[1] as string
    expect(find('ConfigMap', 'haproxy').data['haproxy.cfg']).toBe(await printed(args))
    const { replicas, serviceName } = find('StatefulSet', 'shop').spec
    const pods = Array.from(
      { length: replicas },
      (_none, number) => `shop-${number}=shop-${number}.${serviceName}:3000`,
    )
    expect(args.split(' ').slice(1, 1 + replicas)).toEqual(pods)
  })

  it('mount volumes, and lead to services, that there are', () => {
    const { volumes, containers } = find('Deployment', 'haproxy').spec.template.spec
    expect(containers[0].volumeMounts[0].name).toBe(volumes[0].name)
    expect(find('ConfigMap', volumes[0].configMap.name)).toBeDefined()
    const { name, port } = find('Ingress', 'shop').spec.rules[0].http.paths[0].backend.service
    expect(find('Service', name).spec.ports.map((one: Json) => one.name)).toContain(port.name)
  })
})

describe('the unit for systemd', () => {
  const unit = read('deploy/systemd/shop@.service')

  it('leaves the server the time to go', () => {
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(shutDown)
  })

  it('gives each server what its configuration asks for', () => {
    const common = /# (.*): the same for all servers/.exec(unit)?.[1]?.split(', ')
    expect(common).toEqual(['SESSION_SECRET', 'SESSION_NODES', 'METRICS_TOKEN_SHA256'])
    expect(unit).toContain('ROUTE=%i')
    const values = { ROUTE: 'app1', SESSION_SECRET: 'x'.repeat(20), SESSION_NODES: 'n1:memcached://10.0.0.1' }
    expect(settingsWith({ ...values, METRICS_TOKEN_SHA256: sha256 }).route).toBe('app1')
  })

  it.runIf(process.platform === 'linux')('is right in the eyes of systemd-analyze', async () => {
    const opened = new Opened()
    try {
      const folder = await opened.folder()
      const analyze = (await findOrInstall(systemdProgram)) as { path: string }
      await mkdir(join(folder, 'units'))
      const file = join(folder, 'units/shop@app1.service')
      /* It looks whether the program is there. */
      await writeFile(file, unit.replace('/usr/bin/node', process.execPath))
      const { stdout, stderr } = await promisify(execFile)(analyze.path, ['verify', '--man=no', file], {
        timeout: 20_000,
      })
      expect((stdout + stderr).split('\n').filter((line) => line.includes('shop@'))).toEqual([])
    } finally {
      await opened.close()
    }
  })
})

describe('the file for pm2', () => {
  it('starts servers with ports and routes of their own, and leaves them the time to go', () => {
    vi.stubEnv('SESSION_SECRET', 'x'.repeat(20))
    vi.stubEnv('SESSION_NODES', 'n1:memcached://10.0.0.1')
    vi.stubEnv('METRICS_TOKEN_SHA256', sha256)
    const { apps } = createRequire(import.meta.url)(join(root, 'deploy/pm2/ecosystem.config.cjs')) as Json
    for (const key of ['PORT', 'ADMIN_LISTEN', 'ROUTE']) {
      expect(new Set(apps.map(({ env }: Json) => env[key])).size).toBe(3)
    }
    for (const { env, kill_timeout, exec_mode } of apps) {
      expect(exec_mode).toBe('fork')
      expect(kill_timeout).toBeGreaterThan(shutDown * 1000)
      expect(settingsWith(env).route).toBe(env.ROUTE)
    }
  })
})

describe('the page on deployment', () => {
  it('names every file that there is', () => {
    const page = read('docs/deployment.md')
    for (const file of filesBelow('deploy')) {
      const named = page.includes(`(../${file})`) || page.includes(`(../${dirname(file)})`)
      expect(named, file).toBe(true)
    }
  })
})
