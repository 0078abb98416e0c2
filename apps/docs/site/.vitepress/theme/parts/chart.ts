/** One line of a chart. */
export interface Series {
  readonly name: string
  readonly tone: 'terra' | 'lapis' | 'gold' | 'verdi' | 'plum'
  readonly points: readonly (readonly [number, number])[]
  readonly dashed?: boolean
  readonly dots?: boolean
}

/** Round numbers inside a domain, about `count` of them; powers of ten on a logarithmic axis. */
export function niceTicks([low, high]: readonly [number, number], log: boolean, count: number): number[] {
  if (log) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)]
    const every = Math.max(1, Math.ceil((last - first + 1) / count))
    return Array.from({ length: Math.max(0, Math.floor((last - first) / every) + 1) }, (_, i) => 10 ** (first + i * every))
  }
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough
  const ticks: number[] = []
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-6; tick += step)
    ticks.push(Math.abs(tick) < step * 1e-6 ? 0 : tick)
  return ticks
}

const superscript = (exponent: number): string =>
  [...String(exponent)].map((digit) => (digit === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]!)).join('')

/** A number in few characters: 1500, 0.25, 10²¹. */
export function short(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e5 || size < 1e-3) {
    const exponent = Math.floor(Math.log10(size) + 1e-9)
    const mantissa = Number((value / 10 ** exponent).toPrecision(3))
    return mantissa === 1 ? `10${superscript(exponent)}` : `${mantissa}·10${superscript(exponent)}`
  }
  return String(Number(value.toPrecision(3)))
}

/** A count as people write it: 8.1 million, 2.4 trillion. */
export function words(value: number): string {
  const units: readonly (readonly [number, string])[] = [
    [1e12, ' trillion'],
    [1e9, ' billion'],
    [1e6, ' million'],
    [1e3, ' thousand'],
  ]
  if (value >= 1e15) return short(value)
  const unit = units.find(([size]) => value >= size)
  return unit === undefined ? String(Math.round(value)) : `${Number((value / unit[0]).toPrecision(3))}${unit[1]}`
}
