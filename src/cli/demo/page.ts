import { createHash } from 'node:crypto'
import { pageMarkup } from './page-markup.js'
import { pageScript } from './page-script.js'
import { pageStyle } from './page-style.js'

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Holdfast demo</title>
<link rel="icon" href="data:,">
<style>${pageStyle}</style>
</head>
<body>${pageMarkup}<script>${pageScript}</script></body>
</html>
`

/** The demo's page in one piece: it loads nothing else, and its policy allows nothing else. */
export const demoPage = {
  html,
  headers: {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src '${sha256(pageStyle)}'`,
      `script-src '${sha256(pageScript)}'`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  },
}

function sha256(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
