/** What a server tells of a request that has ended. */
export interface ServedRequest {
  readonly id: string
  readonly method: string
  /** Without its query. */
  readonly path: string
  /** 499 where the client hung up before the answer ended. */
  readonly status: number
  readonly seconds: number
  readonly model?: string
  readonly promptTokens?: number
  readonly completionTokens?: number
}
