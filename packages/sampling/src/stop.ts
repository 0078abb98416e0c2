import { SamplingError } from './errors.js'

export interface StopPush {
  /** What can be let go. */
  readonly text: string
  /** Whether a stop text was found. It and all after it are swallowed. */
  readonly stopped: boolean
  /** The stop text that was found. */
  readonly stop: string | undefined
}

export interface StopOptions {
  /** The stop text itself is let go too. Default false. */
  readonly include?: boolean
}

/**
 * Text that streams out except for what may be the beginning of a stop text, wherever tokens begin and end. The stop text that ends first is found, of those that end together the longest.
 *
 * @example
 * const stops = new StopTexts(['</s>'])
 * stops.push('one <') // => { text: 'one ', stopped: false, stop: undefined }
 * stops.push('/s> two') // => { text: '', stopped: true, stop: '</s>' }
 */
export class StopTexts {
  private held = ''

  /**
   * @param stops texts that are not empty
   * @throws SamplingError `VALUE` for one that is
   */
  constructor(
    private readonly stops: readonly string[],
    private readonly options: StopOptions = {},
  ) {
    for (const stop of stops)
      if (typeof stop !== 'string' || stop === '')
        throw new SamplingError('VALUE', `A stop text must be a string that is not empty, got ${JSON.stringify(stop)}`)
  }

  /** The text that can be let go after more arrived. */
  push(more: string): StopPush {
    const text = this.held + more
    let [stop, start]: [string | undefined, number] = [undefined, 0]
    for (const one of this.stops) {
      const at = text.indexOf(one)
      if (at < 0) continue
      const earlier = stop === undefined ? 1 : start + stop.length - (at + one.length)
      if (earlier > 0 || (earlier === 0 && at < start)) [stop, start] = [one, at]
    }
    if (stop !== undefined) {
      this.held = ''
      return { text: text.slice(0, start + (this.options.include === true ? stop.length : 0)), stopped: true, stop }
    }
    const keep = Math.max(0, ...this.stops.map((one) => overlap(text, one)))
    this.held = text.slice(text.length - keep)
    return { text: text.slice(0, text.length - keep), stopped: false, stop }
  }

  /** What was held back, once nothing more can come. */
  flush(): string {
    const rest = this.held
    this.held = ''
    return rest
  }
}

/** Length of the longest end of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length--)
    if (stop.startsWith(text.slice(text.length - length))) return length
  return 0
}
