/** Values kept in this browser between visits: one table of IndexedDB. Each write is whole or not at all. */
const databaseName = 'tesserae-demo'
const table = 'values'

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(databaseName, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(table)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(failure('opened', request.error))
  })
}

const failure = (what: string, cause: DOMException | null): Error =>
  cause?.name === 'QuotaExceededError'
    ? new Error('This browser has no room left to save the training state. Free some space, or pick a smaller model.', { cause })
    : new Error(`The browser's storage could not be ${what} (${cause?.message ?? 'no reason given'}). Private windows may forbid it.`, {
        cause,
      })

async function transact<T>(mode: IDBTransactionMode, work: (values: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open()
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(table, mode)
      const request = work(transaction.objectStore(table))
      transaction.oncomplete = () => resolve(request.result)
      transaction.onabort = () => reject(failure(mode === 'readonly' ? 'read' : 'written', transaction.error))
    })
  } finally {
    database.close()
  }
}

export const readValue = async <T>(key: string): Promise<T | undefined> =>
  (await transact('readonly', (values) => values.get(key) as IDBRequest<T | undefined>)) ?? undefined

export async function writeValue(key: string, value: unknown): Promise<void> {
  await transact('readwrite', (values) => values.put(value, key))
}

export async function deleteValue(key: string): Promise<void> {
  await transact('readwrite', (values) => values.delete(key))
}
