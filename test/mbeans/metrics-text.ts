/** One family of metrics, as the text format of Prometheus describes it. */
export interface ParsedFamily {
  name: string
  type: string
  help: string
  samples: { name: string; labels: Record<string, string>; value: number }[]
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|\+Inf|-Inf|NaN)$/
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/g

/**
 * A strict reader of the text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
 * @throws for everything that the format does not allow.
 */
export function parseMetrics(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, ParsedFamily>()
  let current: ParsedFamily | undefined
  let help: { name: string; text: string } | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (kind === 'HELP') help = { name, text: rest }
    else if (kind === 'TYPE') {
      if (help?.name !== name || families.has(name)) throw new Error(`${name}: no HELP before it, or twice`)
      current = { name, type: rest, help: help.text, samples: [] }
      families.set(name, current)
    } else current?.samples.push(parseSample(line, current))
    if (line !== '' && kind === undefined && current === undefined) throw new Error(`no family: ${line}`)
  }
  return families
}

function parseSample(line: string, family: ParsedFamily): ParsedFamily['samples'][number] {
  const [, name, labels = '', value] = sampleLine.exec(line) ?? []
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`)
  const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  if (!suffixes.some((suffix) => name === family.name + suffix)) throw new Error(`${name} among ${family.name}`)
  const found = [...labels.matchAll(label)]
  if (found.map(([whole]) => whole).join('') !== labels) throw new Error(`labels: ${line}`)
  return { name, labels: Object.fromEntries(found.map(([, key, text]) => [key, text])), value: numberOf(value) }
}

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}
