const tile = (label: string, id: string, note: string, text = ''): string => `
      <div class="card tile"><dt>${label}</dt><dd><span id="${id}">–</span> <small id="${note}">${text}</small></dd></div>`

/** The dashboard's page. Whatever comes from the server is put in by the script, as text. */
export const pageMarkup = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Holdfast</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="dashboard.css">
<script type="module" src="dashboard/main.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the figures</a>
<header>
  <div class="title">
    <h1>Holdfast <span id="route"></span></h1>
    <p id="connection" class="pill" role="status">connecting</p>
    <p id="read-only" class="pill" hidden>look only</p>
    <button type="button" id="logout" hidden>Log out</button>
  </div>
  <dl class="server">
    <div><dt>Mode</dt><dd id="mode">–</dd></div>
    <div><dt>State</dt><dd id="state">–</dd></div>
    <div><dt>Enabled</dt><dd id="enabled">–</dd></div>
    <div><dt>Up for</dt><dd id="uptime">–</dd></div>
    <div><dt>Version</dt><dd id="version">–</dd></div>
  </dl>
</header>
<p id="broken" class="banner" role="alert" hidden></p>
<main id="main" tabindex="-1">
  <section id="login" class="card" aria-labelledby="login-title" hidden>
    <h2 id="login-title">Log in</h2>
    <form id="login-form">
      <label for="token">Access token</label>
      <input id="token" type="password" autocomplete="off" spellcheck="false" required>
      <button type="submit" class="solid">Log in</button>
    </form>
    <p id="login-wrong" class="bad" role="alert" hidden>The token was not accepted.</p>
    <p class="quiet">It is kept until this tab is closed, and nowhere else.</p>
  </section>
  <div id="content">
    <p id="statistics-off" class="banner soft" hidden>The statistics are switched off: counters stand still.</p>
    <dl class="tiles">${tile('Sessions here', 'sessions', 'sessions-note', 'in memory')}
${tile('Requests a second', 'request-rate', 'request-total')}
${tile('Waiting to be stored', 'pending', 'pending-bytes')}
${tile('Without a backup', 'unprotected', 'protecting')}
${tile('Failed backups', 'failures', 'failures-note', 'in all')}
${tile('Waiting for a lock', 'lock-waiting', 'lock-held')}
    </dl>
    <section aria-labelledby="nodes-title">
      <h2 id="nodes-title">Storage nodes <small id="nodes-state" class="bad" aria-live="polite"></small></h2>
      <ul id="nodes" class="nodes"></ul>
    </section>
    <section aria-labelledby="charts-title">
      <h2 id="charts-title">Last minutes</h2>
      <div id="charts" class="charts"></div>
    </section>
    <section id="sessions-section" aria-labelledby="sessions-title" hidden>
      <h2 id="sessions-title">Sessions</h2>
      <div class="card">
        <div class="toolbar">
          <form id="find-form">
            <label for="handle">Handle</label>
            <input id="handle" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" required>
            <button type="submit">Find</button>
          </form>
          <button type="button" id="list-sessions">List sessions</button>
        </div>
        <div id="session" aria-live="polite"></div>
        <div id="session-list"></div>
      </div>
    </section>
    <section id="maintenance" aria-labelledby="maintenance-title" hidden>
      <h2 id="maintenance-title">Server</h2>
      <div class="card buttons">
        <button type="button" id="flush">Flush</button>
        <button type="button" id="reprotect">Re-protect</button>
        <button type="button" id="reset">Reset statistics</button>
        <button type="button" id="destroy-all" class="danger">Destroy all sessions</button>
      </div>
    </section>
    <section id="settings-section" aria-labelledby="settings-title" hidden>
      <h2 id="settings-title">Settings</h2>
      <ul id="settings" class="card settings"></ul>
    </section>
  </div>
</main>
<div id="announcements" role="status" aria-live="polite"></div>
<dialog id="confirm" aria-labelledby="confirm-title" aria-describedby="confirm-text">
  <form id="confirm-form" novalidate>
    <h2 id="confirm-title"></h2>
    <p id="confirm-text"></p>
    <div id="confirm-field"></div>
    <div class="buttons end">
      <button type="button" id="confirm-cancel">Cancel</button>
      <button type="submit" id="confirm-action"></button>
    </div>
  </form>
</dialog>
</body>
</html>
`
