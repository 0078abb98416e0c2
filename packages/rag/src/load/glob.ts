import { RagError } from '../errors.js'

/**
 * A test for paths with `/` by a glob: `*` and `?` inside a name, `**` over folders, `{a,b}` for either, and a backslash before a sign that
 * stands for itself.
 *
 * Errors: OPTION for braces that do not match.
 */
export function globMatcher(glob: string): (path: string) => boolean {
  let pattern = ''
  let depth = 0
  for (let i = 0; i < glob.length; i++) {
    const sign = glob[i]!
    if (sign === '*' && glob[i + 1] === '*') {
      const whole = (i === 0 || glob[i - 1] === '/') && glob[i + 2] === '/'
      // `**/` is any number of folders, none included.
      pattern += whole ? '(?:[^/]+/)*' : '.*'
      i += whole ? 2 : 1
    } else if (sign === '*') pattern += '[^/]*'
    else if (sign === '?') pattern += '[^/]'
    else if (sign === '{') {
      depth++
      pattern += '(?:'
    } else if (sign === '}') {
      if (--depth < 0) break
      pattern += ')'
    } else if (sign === ',' && depth > 0) pattern += '|'
    else pattern += (sign === '\\' ? (glob[++i] ?? '\\') : sign).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  }
  if (depth !== 0) throw new RagError('OPTION', `The braces of the glob ${JSON.stringify(glob)} do not match`)
  const expression = new RegExp(`^${pattern}$`, 'u')
  return (path) => expression.test(path)
}
