/** What the adapter needs of a database connection; PGlite and its transactions have it. */
export interface SqlClient {
  query<Row>(sql: string, parameters?: unknown[]): Promise<{ readonly rows: Row[] }>
  exec(sql: string): Promise<unknown>
}

/** A connection that can also run transactions. */
export interface SqlDatabase extends SqlClient {
  transaction<Result>(body: (transaction: SqlClient) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}
