// Three servers of the shop on one machine: pm2 start deploy/pm2/ecosystem.config.cjs
// Each has a port and a route of its own. pm2's cluster mode has one port for all, so no balancer could reach the one
// that has a session.
const { SESSION_SECRET, SESSION_NODES, METRICS_TOKEN_SHA256 } = process.env

module.exports = {
  apps: [1, 2, 3].map((number) => ({
    name: `shop-${number}`,
    cwd: '/srv/shop',
    script: 'server.js',
    exec_mode: 'fork',
    instances: 1,
    env: {
      NODE_ENV: 'production',
      PORT: String(3000 + number),
      ADMIN_LISTEN: `127.0.0.1:${9400 + number}`,
      ROUTE: `app${number}`,
      SESSION_SECRET,
      SESSION_NODES,
      METRICS_TOKEN_SHA256,
    },
    // pm2 sends SIGINT, and SIGKILL 1.6 s later unless told otherwise. server.js takes up to 18 s.
    kill_timeout: 25000,
  })),
}
