/** Written forms of tokens and their ids, both ways. */
export class TokenMap {
  /** One more than the highest id. */
  readonly size: number
  private readonly forms: (string | undefined)[]

  /** @param ids the id of every form; several forms may share an id, then the last one stands for it */
  constructor(readonly ids: ReadonlyMap<string, number>) {
    let highest = -1
    for (const id of ids.values()) if (id > highest) highest = id
    this.size = highest + 1
    this.forms = new Array<string | undefined>(this.size).fill(undefined)
    for (const [form, id] of ids) this.forms[id] = form
  }

  get(form: string): number | undefined {
    return this.ids.get(form)
  }

  form(id: number): string | undefined {
    return this.forms[id]
  }

  /** The forms and ids as an object, by rising id. */
  toJSON(): Record<string, number> {
    const vocab: Record<string, number> = {}
    for (const [form, id] of [...this.ids].sort((a, b) => a[1] - b[1])) {
      // Defined rather than assigned: a token may be called `__proto__`.
      Object.defineProperty(vocab, form, { value: id, enumerable: true, writable: true, configurable: true })
    }
    return vocab
  }
}
