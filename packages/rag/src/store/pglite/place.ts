/** Where a database lies. */
export interface PlaceOptions {
  /** A directory of this machine; Node only. */
  readonly dir?: string
  /** Name of an IndexedDB database; browsers only. */
  readonly idb?: string
}

/** A place that is this store's alone until it is released. */
export interface Place {
  /** What PGlite takes as `dataDir`; undefined for memory. */
  readonly dataDir: string | undefined
  /** The database can be opened from now on: what a crash leaves is worth keeping. */
  settled(): Promise<void>
  release(): Promise<void>
}

export const memoryPlace: Place = {
  dataDir: undefined,
  settled: () => Promise.resolve(),
  release: () => Promise.resolve(),
}
