/** A file put together number by number, to be wrong where a test wants it. */
export class GgufBytes {
  private readonly parts: number[] = []

  static begin(tensors: bigint | number, keys: bigint | number, version = 3): GgufBytes {
    return new GgufBytes().raw(0x47, 0x47, 0x55, 0x46).u32(version).u64(tensors).u64(keys)
  }

  raw(...bytes: readonly number[]): this {
    this.parts.push(...bytes)
    return this
  }

  u32(value: number): this {
    return this.raw(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24)
  }

  u64(value: bigint | number): this {
    const whole = BigInt.asUintN(64, BigInt(value))
    return this.u32(Number(whole & 0xffffffffn)).u32(Number(whole >> 32n))
  }

  text(value: string, length: bigint | number = new TextEncoder().encode(value).length): this {
    return this.u64(length).raw(...new TextEncoder().encode(value))
  }

  tensor(name: string, sizes: readonly (bigint | number)[], type: number, offset: bigint | number): this {
    this.text(name).u32(sizes.length)
    for (const size of sizes) this.u64(size)
    return this.u32(type).u64(offset)
  }

  /** With so many bytes of data behind it. */
  file(data = 0): Uint8Array {
    const length = data === 0 ? this.parts.length : Math.ceil(this.parts.length / 32) * 32 + data
    const bytes = new Uint8Array(length)
    bytes.set(this.parts)
    return bytes
  }

  /** One of several files of a model, with one tensor of two numbers. */
  static part(number: number, count: number, name: string): Uint8Array {
    const keys = GgufBytes.begin(1, 2).text('split.no').u32(2).raw(number, 0).text('split.count').u32(2).raw(count, 0)
    return keys.tensor(name, [2], 0, 0).file(8)
  }
}
