import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TesseraeError } from '@tesserae/core'
import { RlhfError } from '../../errors.js'
import { parseMarkdown, type MarkdownBlock } from '../markdown.js'
import { toPreferences } from '../preferences.js'
import type { RankingItem, RankingLine, RankingChoice } from '../rows.js'
import { agreement, lengthBias, positionBias } from '../statistics.js'
import { rankingStore, type RankingStore } from '../store.js'
import { openRankings, type RankingLog } from './log.js'
import { rankingPage } from './page/page.js'

export interface ServeRankingOptions {
  readonly items: readonly RankingItem[]
  /** The JSONL file that decisions are added to; what it holds already counts as decided. */
  readonly path: string
  /** Who ranks. */
  readonly annotator: string
  /** Draws the order of items and of the answers on screen. */
  readonly seed: number | string
  /** Default: a free one. */
  readonly port?: number
}

/** A running ranking screen. */
export interface RankingServer extends AsyncDisposable {
  /** What to open in a browser. It carries the random token without which the server answers nothing. */
  readonly url: string
  /** Resolves when every item was decided. */
  readonly finished: Promise<void>
  /** All rows so far, those of other annotators and of earlier sessions included. */
  readonly rows: readonly RankingLine[]
  close(): Promise<void>
}

/** What the page shows. */
export interface RankingScreenState {
  readonly annotator: string
  readonly done: number
  readonly total: number
  readonly canUndo: boolean
  readonly task?: {
    readonly id: string
    readonly prompt: readonly MarkdownBlock[]
    readonly answers: readonly (readonly MarkdownBlock[])[]
  }
}

/**
 * Serves the ranking screen on this machine only (127.0.0.1).
 *
 * Errors: ROW for items or kept rows that cannot be used, with the line; OPTION when the file or the port cannot be had.
 */
export async function serveRanking({ items, path, annotator, seed, port = 0 }: ServeRankingOptions): Promise<RankingServer> {
  const log = await openRankings(path)
  const rows: RankingLine[] = [...log.rows]
  try {
    const session = new Session(rankingStore({ items, rows, annotator, seed }), log, rows, annotator)
    const server = createServer((request, response) => void session.handle(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new RlhfError('OPTION', `port ${port} cannot be had: ${cause.message}; leave port out for a free one`, { cause })),
      )
      server.listen(port, '127.0.0.1', resolve)
    })
    session.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const close = async (): Promise<void> => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await log.close()
    }
    return { url: `http://${session.host}/?token=${session.token}`, finished: session.finished, rows, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await log.close()
    throw error
  }
}

/** Largest request body: a full order of some hundred answers is far smaller. */
const largestBody = 16_384

class Session {
  readonly token = randomBytes(24).toString('base64url')
  readonly finished: Promise<void>
  host = ''
  private readonly finish: () => void
  /** Decisions are taken one after the other, so that a double click cannot decide about two items. */
  private queue: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly store: RankingStore,
    private readonly log: RankingLog,
    private readonly rows: RankingLine[],
    private readonly annotator: string,
  ) {
    let finish = (): void => {}
    this.finished = new Promise((resolve) => (finish = resolve))
    this.finish = finish
    if (store.next() === undefined) finish()
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('cache-control', 'no-store')
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('referrer-policy', 'no-referrer')
    try {
      const url = new URL(request.url ?? '/', `http://${this.host}`)
      // Another name for this address would be a page elsewhere that had its own name point here.
      if (request.headers.host !== this.host) return send(response, 403, { error: 'This server answers to its own address only.' })
      if (!this.known(request.headers.authorization?.replace(/^Bearer /, '') ?? url.searchParams.get('token') ?? ''))
        return send(response, 403, { error: 'The token is missing or wrong: open the whole address that the command printed.' })
      await this.route(`${request.method} ${url.pathname}`, request, response)
    } catch (error) {
      const known = TesseraeError.isInstance(error)
      send(response, known ? 409 : 500, { error: (error as Error).message, state: this.state() })
    }
  }

  private async route(route: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (route) {
      case 'GET /': {
        const nonce = randomBytes(16).toString('base64')
        response.setHeader(
          'content-security-policy',
          `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
        )
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(rankingPage({ nonce }))
        return
      }
      case 'GET /state':
        return send(response, 200, this.state())
      case 'POST /rank': {
        const { id, choice } = (await readJson(request)) as { id: string; choice: RankingChoice }
        return send(response, 200, await this.inTurn(() => this.rank(id, choice)))
      }
      case 'POST /undo':
        return send(response, 200, await this.inTurn(() => this.undo()))
      case 'GET /preferences.jsonl': {
        const text = toPreferences(this.rows)
          .map((row) => `${JSON.stringify(row)}\n`)
          .join('')
        response
          .writeHead(200, { 'content-type': 'application/jsonl', 'content-disposition': 'attachment; filename="preferences.jsonl"' })
          .end(text)
        return
      }
      case 'GET /statistics':
        return send(response, 200, { agreement: agreement(this.rows), position: positionBias(this.rows), length: lengthBias(this.rows) })
      default:
        return send(response, 404, { error: `There is no ${route}.` })
    }
  }

  /** `choice` names places on the screen; the row names completions. */
  private async rank(id: string, choice: RankingChoice): Promise<RankingScreenState> {
    const order = this.store.next()?.order ?? []
    const meant: RankingChoice =
      choice?.kind === 'best'
        ? { kind: 'best', best: order[choice.best]! }
        : choice?.kind === 'order' && Array.isArray(choice.ranking)
          ? { kind: 'order', ranking: choice.ranking.map((place) => order[place]!) }
          : choice
    await this.keep(this.store.rank(id, meant))
    if (this.store.next() === undefined) this.finish()
    return this.state()
  }

  private async undo(): Promise<RankingScreenState> {
    const row = this.store.retract()
    if (row !== undefined) await this.keep(row)
    return this.state()
  }

  private async keep(row: RankingLine): Promise<void> {
    await this.log.append(row)
    this.store.apply(row)
    this.rows.push(row)
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.queue.catch(() => {}).then(work)
    this.queue = mine
    return mine
  }

  private state(): RankingScreenState {
    const { done, total, canUndo } = this.store
    const task = this.store.next()
    return {
      annotator: this.annotator,
      done,
      total,
      canUndo,
      ...(task && {
        task: {
          id: task.item.id,
          prompt: parseMarkdown(task.item.prompt),
          answers: task.order.map((index) => parseMarkdown(task.item.completions[index]!)),
        },
      }),
    }
  }

  private known(token: string): boolean {
    const [given, right] = [Buffer.from(token), Buffer.from(this.token)]
    return given.length === right.length && timingSafeEqual(given, right)
  }
}

function send(response: ServerResponse, status: number, value: object): void {
  if (response.headersSent) return
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value))
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestBody) throw new RlhfError('ROW', `a request holds at most ${largestBody} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) ?? {}
  } catch (cause) {
    throw new RlhfError('ROW', `a request must be JSON: ${(cause as Error).message}`, { cause })
  }
}
