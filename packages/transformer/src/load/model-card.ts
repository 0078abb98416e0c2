/** The licence that a model card names in the YAML before its text: `license: apache-2.0`, or `other` with `license_name`. */
export function licenceOf(card: string): string | undefined {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1]
  if (front === undefined) return undefined
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \\t]*(?:\\r?\\n[ \\t]*-[ \\t]*)?["']?([^"'\\r\\n]+?)["']?[ \\t]*$`, 'm').exec(front)?.[1]
  const licence = field('license')
  return licence === 'other' ? (field('license_name') ?? licence) : licence
}
