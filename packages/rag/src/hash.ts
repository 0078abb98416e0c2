// SHA-256 (FIPS 180-4) in plain TypeScript: WebCrypto's is asynchronous and absent from pages that are not served over HTTPS.

/** The first 32 bits of the fractional parts of a root of the first `count` primes, exact in integer arithmetic (FIPS 180-4, 4.2.2 and 5.3.3). */
function primeRoots(count: number, root: 2n | 3n): Uint32Array {
  const words = new Uint32Array(count)
  for (let candidate = 2, found = 0; found < count; candidate++) {
    if (!isPrime(candidate)) continue
    // floor(prime^(1/root) · 2^32) is the integer root of prime · 2^(32·root).
    const scaled = BigInt(candidate) << (32n * root)
    let low = 0n
    let high = 1n << 40n
    while (high - low > 1n) {
      const middle = (low + high) >> 1n
      if (middle ** root <= scaled) low = middle
      else high = middle
    }
    words[found++] = Number(low & 0xffffffffn)
  }
  return words
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

let tables: { readonly constants: Uint32Array; readonly start: Uint32Array } | undefined

/** SHA-256 of the UTF-8 bytes of a text, as 64 lower-case hexadecimal digits. */
export function sha256(text: string): string {
  const { constants, start } = (tables ??= { constants: primeRoots(64, 3n), start: primeRoots(8, 2n) })
  const message = new TextEncoder().encode(text)
  const blocks = Math.ceil((message.length + 9) / 64)
  const bytes = new Uint8Array(blocks * 64)
  bytes.set(message)
  bytes[message.length] = 0x80
  const view = new DataView(bytes.buffer)
  view.setUint32(bytes.length - 8, Math.floor(message.length / 2 ** 29))
  view.setUint32(bytes.length - 4, (message.length * 8) >>> 0)
  const state = start.slice()
  const schedule = new Int32Array(64)
  for (let offset = 0; offset < bytes.length; offset += 64) compress(state, schedule, constants, view, offset)
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('')
}

const rotate = (x: number, n: number) => (x >>> n) | (x << (32 - n))

function compress(state: Uint32Array, w: Int32Array, constants: Uint32Array, view: DataView, offset: number): void {
  for (let i = 0; i < 16; i++) w[i] = view.getInt32(offset + 4 * i)
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    w[i] = w[i - 16]! + (rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)) + w[i - 7]! + (rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10))
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
  for (let i = 0; i < 64; i++) {
    const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[i]! + w[i]!) | 0
    const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + second) | 0
  }
  const mixed = [a, b, c, d, e, f, g, h]
  for (let i = 0; i < 8; i++) state[i] = state[i]! + mixed[i]!
}

/** 128 bits of the hash of several strings, unambiguous about where one ends and the next begins. */
export function hashOf(...parts: readonly string[]): string {
  return sha256(JSON.stringify(parts)).slice(0, 32)
}
