/**
 * Whether a text matches a pattern in which `*` stands for any characters and `?` for one. Goes back to the last `*` only,
 * so that no pattern takes more than pattern times text steps.
 */
export function globMatches(pattern: string, text: string): boolean {
  let [at, position] = [0, 0]
  let [star, resume] = [-1, 0]
  while (position < text.length) {
    if (pattern[at] === '*') {
      star = at++
      resume = position
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[position])) {
      at++
      position++
    } else if (star !== -1) {
      at = star + 1
      position = ++resume
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

export function isGlob(text: string): boolean {
  return text.includes('*') || text.includes('?')
}
