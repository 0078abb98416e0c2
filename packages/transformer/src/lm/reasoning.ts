/** What a model thinks before it answers, between `<think>` and `</think>` as Qwen 3's and DeepSeek's models have it. */
export const thinkOpen = '<think>'
export const thinkClose = '</think>'

export interface ReasoningPiece {
  readonly type: 'text' | 'reasoning'
  readonly text: string
}

/** Splits text that is arriving. White space around the reasoning is left out. */
export class ReasoningSplitter {
  private held = ''
  private begun = false

  /** @param state whether there may be reasoning at the beginning, the text begins inside of it, or there is none */
  constructor(private state: 'begin' | 'inside' | 'behind' | 'outside') {}

  push(text: string): ReasoningPiece[] {
    const pieces: ReasoningPiece[] = []
    this.held += text
    if (this.state === 'begin') {
      const start = this.held.trimStart()
      if (start.startsWith(thinkOpen)) {
        this.held = start.slice(thinkOpen.length)
        this.state = 'inside'
      } else if (!thinkOpen.startsWith(start)) this.state = 'outside'
    }
    if (this.state === 'inside') {
      const end = this.held.indexOf(thinkClose)
      if (end >= 0) {
        this.reason(this.held.slice(0, end).trimEnd(), pieces)
        this.held = this.held.slice(end + thinkClose.length)
        this.state = 'behind'
      } else {
        // White space may be the last before the end, and the last characters the beginning of the end.
        const sure = this.held.slice(0, this.held.length - overlap(this.held)).trimEnd()
        this.held = this.held.slice(sure.length)
        this.reason(sure, pieces)
      }
    }
    if (this.state === 'behind') {
      this.held = this.held.trimStart()
      if (this.held !== '') this.state = 'outside'
    }
    if (this.state === 'outside') this.let('text', pieces)
    return pieces
  }

  /** What was held back, once no more comes. */
  end(): ReasoningPiece[] {
    const pieces: ReasoningPiece[] = []
    if (this.state === 'inside') this.reason(this.held.trimEnd(), pieces)
    else if (this.state !== 'behind') this.let('text', pieces)
    this.held = ''
    return pieces
  }

  private reason(text: string, pieces: ReasoningPiece[]): void {
    const piece = this.begun ? text : text.trimStart()
    if (piece === '') return
    this.begun = true
    pieces.push({ type: 'reasoning', text: piece })
  }

  private let(type: 'text', pieces: ReasoningPiece[]): void {
    if (this.held !== '') pieces.push({ type, text: this.held })
    this.held = ''
  }
}

/** Length of the longest end of a text that begins `</think>`. */
function overlap(text: string): number {
  for (let length = Math.min(thinkClose.length - 1, text.length); length > 0; length--)
    if (thinkClose.startsWith(text.slice(-length))) return length
  return 0
}

/** Variables of templates for how much is thought: Qwen 3's, SmolLM 3's and GLM's turn it on and off, gpt-oss's have an effort. */
export const thinkingVariables = (effort: string | undefined): Readonly<Record<string, unknown>> => {
  if (effort === undefined) return {}
  return effort === 'none' ? { enable_thinking: false } : { enable_thinking: true, reasoning_effort: effort }
}
