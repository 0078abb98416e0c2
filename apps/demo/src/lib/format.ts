/** 12345 → '12,345' */
export const count = (value: number): string => Math.round(value).toLocaleString('en')

/** 1132544 → '1.13M' */
export function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)}k`
  return count(value)
}

/** 0.0312 → '3.1 %' */
export const percent = (value: number): string => (value >= 0.0995 ? `${(value * 100).toFixed(0)} %` : `${(value * 100).toFixed(1)} %`)

/** Blanks and line breaks made visible, for single tokens. */
export const visible = (text: string): string => text.replaceAll(' ', '·').replaceAll('\n', '⏎').replaceAll('\t', '⇥')

export const hex = (byte: number): string => byte.toString(16).padStart(2, '0')

/** Hands bytes or text to the browser as a file. */
export function download(content: BlobPart, name: string, type = 'application/octet-stream'): void {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
