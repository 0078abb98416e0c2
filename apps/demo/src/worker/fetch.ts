/** Files that come with the page. Vite puts them beside index.html; this script is in a folder below it. */
const siteRoot = new URL(
  import.meta.env.DEV ? import.meta.env.BASE_URL : '../',
  import.meta.env.DEV ? self.location.origin : self.location.href,
)

async function fetchFile(path: string, signal?: AbortSignal): Promise<Response> {
  const url = new URL(path, siteRoot)
  let response: Response
  try {
    response = await fetch(url, signal === undefined ? {} : { signal })
  } catch (cause) {
    if (signal?.aborted === true) throw cause
    throw new Error(`${path} could not be fetched; check the connection and try again.`, { cause })
  }
  if (!response.ok) throw new Error(`${path} could not be fetched: the host answered ${response.status}. Is the site complete?`)
  return response
}

export const fetchText = async (path: string, signal?: AbortSignal): Promise<string> => (await fetchFile(path, signal)).text()

/** The bytes of a file, with what has arrived so far. */
export async function fetchBytes(
  path: string,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (received: number, total: number | undefined) => void } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { signal, onProgress } = options
  const response = await fetchFile(path, signal)
  const length = Number(response.headers.get('content-length'))
  const parts: Uint8Array[] = []
  let received = 0
  const reader = response.body!.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    parts.push(value)
    received += value.byteLength
    // With compression on the way the header counts other bytes than these.
    onProgress?.(received, length >= received ? length : undefined)
  }
  const out = new Uint8Array(received)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.byteLength
  }
  return out
}
