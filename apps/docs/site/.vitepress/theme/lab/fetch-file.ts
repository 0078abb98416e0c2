/** A file of the site; what is not there is said, instead of an error page being read as if it were the file. */
export async function fetchFile(url: string, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url, signal === undefined ? {} : { signal })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: the file is not where the page expects it`)
  return response
}
