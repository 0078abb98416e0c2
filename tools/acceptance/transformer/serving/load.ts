/** Clients that ask, read their streams and ask again. */

export interface LoadReport {
  readonly answers: number
  readonly tokens: number
  readonly refused: number
  /** 429 without Retry-After, other statuses, streams without their end, broken connections. */
  readonly errors: readonly string[]
  /** Seconds to the first token of each answer. */
  readonly firstToken: readonly number[]
}

export async function runClients(url: string, clients: number, seconds: number): Promise<LoadReport> {
  const end = performance.now() + seconds * 1000
  const report = { answers: 0, tokens: 0, refused: 0, errors: [] as string[], firstToken: [] as number[] }
  const client = async (number: number): Promise<void> => {
    for (let call = 0; performance.now() < end; call++) {
      const start = performance.now()
      try {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            model: 'tiny',
            messages: [{ role: 'user', content: `client ${number} asks for the ${call}th time where the whale is` }],
            max_tokens: 16,
            stream: true,
          }),
        })
        if (response.status === 429) {
          const wait = Number(response.headers.get('retry-after'))
          await response.text()
          report.refused++
          if (!(wait >= 1)) report.errors.push('429 without Retry-After')
          await new Promise((resolve) =>
            setTimeout(resolve, Math.min(wait * 1000 * (0.75 + Math.random() / 2), Math.max(0, end - performance.now()))),
          )
          continue
        }
        if (response.status !== 200) {
          report.errors.push(`status ${response.status}: ${(await response.text()).slice(0, 200)}`)
          continue
        }
        let text = ''
        let first: number | undefined
        for await (const bytes of response.body!) {
          first ??= performance.now()
          text += Buffer.from(bytes).toString()
        }
        if (!text.includes('data: [DONE]')) report.errors.push(`a stream without its end: ${text.slice(-200)}`)
        report.answers++
        report.tokens += 16
        report.firstToken.push((first! - start) / 1000)
      } catch (error) {
        report.errors.push(`${String(error)} ${String((error as { cause?: unknown }).cause ?? '')}`)
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)))
  return report
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}
