/** The band of mosaic over each room. It pictures what the room is about: pieces of words, a falling loss, two voices, two paths, marked lines. */
import { random } from '@tesserae/core'
import type { RoomName } from './rooms.js'

export type Stone = 'bed' | 'lapis' | 'verdigris' | 'ochre' | 'terracotta' | 'porphyry'

export interface StonePath {
  readonly stone: Stone
  /** How light these tiles came out of the quarry, 0 … 1. */
  readonly opacity: number
  readonly d: string
}

const columns = 132
const rows = 9
const tile = 10

export const friezeBox = `0 0 ${columns * tile} ${rows * tile}`

type Picture = (x: number, y: number) => Stone

const wheel: readonly Stone[] = ['lapis', 'ochre', 'verdigris', 'terracotta', 'porphyry']

function pictureOf(room: RoomName): Picture {
  const draw = random(room).stream('frieze')
  const lengths = Array.from({ length: columns }, () => 2 + draw.int(5))
  switch (room) {
    case 'tokenizer': {
      const stones: Stone[] = []
      lengths.forEach((length, i) => stones.push(...Array.from({ length }, () => wheel[i % wheel.length]!), 'bed'))
      return (x, y) => (y >= 3 && y <= 5 ? stones[x]! : 'bed')
    }
    case 'train': {
      const noise = Array.from({ length: columns }, () => draw.uniform() - 0.5)
      const height = (x: number): number => 0.6 + 6.2 * Math.exp(-x / 26) + 0.9 * Math.exp(-x / 90) + noise[x]! * 0.9
      return (x, y) => {
        const level = rows - 1 - Math.round(height(x))
        return y === level ? (x < 20 ? 'terracotta' : x < 55 ? 'ochre' : 'verdigris') : y > level ? 'lapis' : 'bed'
      }
    }
    case 'chat':
      return (x, y) => {
        const turn = Math.floor(x / 11)
        const inside = x % 11 < 3 + lengths[turn]!
        if (turn % 2 === 0) return inside && y >= 1 && y <= 3 ? 'lapis' : inside && y === 4 && x % 11 === 1 ? 'lapis' : 'bed'
        return inside && y >= 5 && y <= 7 ? 'ochre' : 'bed'
      }
    case 'align':
      return (x, y) => {
        const spread = 3.4 / (1 + Math.exp(-(x - 42) / 9))
        if (y === Math.round(4 - spread)) return 'verdigris'
        if (y === Math.round(4 + spread)) return 'terracotta'
        return 'bed'
      }
    case 'documents':
      return (x, y) => {
        if (y % 2 === 0) return 'bed'
        const words = (x * 7 + y * 13) % (5 + lengths[y]!) !== 0 && x < columns - ((y * 17) % 40)
        if (!words) return 'bed'
        return (y === 3 && x > 18 && x < 47) || (y === 7 && x > 62 && x < 80) ? 'ochre' : 'porphyry'
      }
    default:
      return room satisfies never
  }
}

/** Outlines of all tiles of a room's band, one path for each stone and shade. */
export function friezeOf(room: RoomName): StonePath[] {
  const picture = pictureOf(room)
  const draw = random(room).stream('cutting')
  const jitter = (): number => (draw.uniform() - 0.5) * 1.7
  const paths = new Map<string, { stone: Stone; opacity: number; parts: string[] }>()
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const stone = picture(x, y)
      const shade = draw.int(3)
      const opacity = stone === 'bed' ? [0.35, 0.6, 0.85][shade]! : [0.72, 0.88, 1][shade]!
      const [left, top, right, bottom] = [x * tile + 0.8, y * tile + 0.8, (x + 1) * tile - 0.8, (y + 1) * tile - 0.8]
      const corners = [
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom],
      ].map(([cx, cy]) => `${(cx! + jitter()).toFixed(1)} ${(cy! + jitter()).toFixed(1)}`)
      const key = `${stone} ${shade}`
      const path = paths.get(key) ?? { stone, opacity, parts: [] }
      path.parts.push(`M${corners.join('L')}Z`)
      paths.set(key, path)
    }
  }
  return [...paths.values()].map(({ stone, opacity, parts }) => ({ stone, opacity, d: parts.join('') }))
}
