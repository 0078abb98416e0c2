/** Counters, gauges and histograms in the text format that Prometheus reads (version 0.0.4). */

type Labels = Readonly<Record<string, string>>

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  lines(): string[]
}

export interface Counter {
  add(labels: Labels, by?: number): void
}

export interface Histogram {
  observe(labels: Labels, value: number): void
}

/** Upper bounds in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export class Metrics {
  private readonly families: Family[] = []

  counter(name: string, help: string): Counter {
    const values = new Map<string, number>()
    this.families.push({ name, help, type: 'counter', lines: () => [...values].map(([labels, value]) => `${name}${labels} ${value}`) })
    return {
      add: (labels, by = 1) => {
        const key = written(labels)
        values.set(key, (values.get(key) ?? 0) + by)
      },
    }
  }

  /** Asked when the metrics are. */
  gauge(name: string, help: string, read: () => readonly (readonly [labels: Labels, value: number])[]): void {
    this.read('gauge', name, help, read)
  }

  /** What is counted elsewhere, or is as it is: asked when the metrics are. */
  read(type: 'counter' | 'gauge', name: string, help: string, read: () => readonly (readonly [labels: Labels, value: number])[]): void {
    this.families.push({ name, help, type, lines: () => read().map(([labels, value]) => `${name}${written(labels)} ${value}`) })
  }

  histogram(name: string, help: string, bounds: readonly number[] = SECONDS): Histogram {
    const rows = new Map<string, { readonly labels: Labels; readonly counts: number[]; sum: number; count: number }>()
    const lines = (): string[] =>
      [...rows.values()].flatMap(({ labels, counts, sum, count }) => [
        ...bounds.map((bound, i) => `${name}_bucket${written({ ...labels, le: String(bound) })} ${counts[i]}`),
        `${name}_bucket${written({ ...labels, le: '+Inf' })} ${count}`,
        `${name}_sum${written(labels)} ${sum}`,
        `${name}_count${written(labels)} ${count}`,
      ])
    this.families.push({ name, help, type: 'histogram', lines })
    return {
      observe: (labels, value) => {
        const key = written(labels)
        const row = rows.get(key) ?? { labels, counts: bounds.map(() => 0), sum: 0, count: 0 }
        rows.set(key, row)
        bounds.forEach((bound, i) => void (value <= bound && row.counts[i]!++))
        row.sum += value
        row.count++
      },
    }
  }

  text(): string {
    return this.families
      .map((family) => [`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`, ...family.lines(), ''].join('\n'))
      .join('')
  }
}

function written(labels: Labels): string {
  const entries = Object.entries(labels)
  if (entries.length === 0) return ''
  return `{${entries.map(([name, value]) => `${name}="${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`).join(',')}}`
}
