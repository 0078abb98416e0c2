type Points = readonly (readonly [x: number, y: number])[]

/** The running mean of noisy points: each counts `1 − keep`, corrected for the missing ones at the beginning as Adam corrects its moments. */
export function smooth(points: Points, keep = 0.9): [number, number][] {
  let sum = 0
  let weight = 1
  return points.map(([x, y]) => {
    sum = keep * sum + (1 - keep) * y
    weight *= keep
    return [x, sum / (1 - weight)]
  })
}

/** At most `limit` points: neighbours are averaged. */
export function thin(points: Points, limit: number): [number, number][] {
  const size = Math.max(1, Math.ceil(points.length / limit))
  const out: [number, number][] = []
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size)
    out.push([part.at(-1)![0], part.reduce((total, [, y]) => total + y, 0) / part.length])
  }
  return out
}
