import type { WriteStream } from 'node:tty'

/** What the quickstart prints with: colours and a line that is redrawn, both only where the output is a terminal. */
export interface Terminal {
  heading(text: string): void
  line(text?: string): void
  /** Redraws the status line; on a pipe, prints one now and then. */
  status(text: string): void
  /** Ends the status line. */
  endStatus(): void
  write(text: string): void
  readonly columns: number
}

const paint = (on: boolean, code: string, text: string): string => (on ? `\u001b[${code}m${text}\u001b[0m` : text)

export function terminal(out: NodeJS.WriteStream = process.stdout, quietMs = 10_000): Terminal {
  const interactive = out.isTTY === true
  const colour = interactive && process.env['NO_COLOR'] === undefined
  let open = false
  let lastStatus = -Infinity
  const endStatus = (): void => {
    if (open) out.write('\n')
    open = false
  }
  return {
    columns: Math.min(100, (out as WriteStream).columns ?? 80),
    heading(text) {
      endStatus()
      out.write(`\n${paint(colour, '1;36', text)}\n`)
    },
    line(text = '') {
      endStatus()
      out.write(`${text}\n`)
    },
    status(text) {
      if (interactive) {
        out.write(`\r\u001b[2K${text}`)
        open = true
      } else if (performance.now() - lastStatus > quietMs) {
        out.write(`${text}\n`)
        lastStatus = performance.now()
      }
    },
    endStatus,
    write: (text) => void out.write(text),
  }
}

/** `[#####-----]  52 %` */
export function progressBar(done: number, total: number, width = 24): string {
  const share = total <= 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * width)
  return `[${'█'.repeat(filled)}${'░'.repeat(width - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`
}

/** 75 → '1:15' */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
