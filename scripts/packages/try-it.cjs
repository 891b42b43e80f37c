const { createServer } = require('node:http')

const quiet = { debug() {}, info() {}, warn() {}, error: console.error }

/** The smallest application, as each tool has loaded or bundled the package. */
async function tryIt(createSessionManager) {
  const port = await freePort()
  const sessions = createSessionManager({
    secret: 'x'.repeat(40),
    embed: `127.0.0.1:${port}`,
    nodes: `n1:memcached://127.0.0.1:${port}`,
    admin: { listen: '127.0.0.1:0' },
    logger: quiet,
  })
  const middleware = sessions.middleware()
  const server = createServer((req, res) => {
    middleware(req, res, () => {
      req.session.n = (req.session.n ?? 0) + 1
      res.end(String(req.session.n))
    })
  })
  await sessions.ready()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const answer = await fetch(`http://127.0.0.1:${server.address().port}`)
  const health = await fetch(`${sessions.adminUrl}/healthz`)
  if ((await answer.text()) !== '1' || health.status !== 200) throw new Error('it does not work')
  console.log(`works, node ${sessions.stats().nodes[0].state}`)
  server.close()
  await sessions.close()
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

/* A bundle for CommonJS has no await at its top. */
exports.tryIt = (createSessionManager) => {
  tryIt(createSessionManager).catch((error) => {
    console.error(error)
    process.exit(1)
  })
}
