/**
 * The random-walks task, as trlx defines it (github.com/CarperAI/trlx, examples/randomwalks, after the toy of the Decision Transformer, arXiv:2106.01345):
 * a model that has seen random walks in a directed graph is to learn, by reward alone, to walk the shortest way to a goal.
 */
import { random, type RandomStream } from '@tesserae/core'

/** Nodes 0 … 20; 0 is the goal. */
export const nodes = 21
/** Most nodes of a walk, start and goal included. */
export const longestWalk = 10
/** The token behind the last node of a walk; nodes are tokens themselves. */
export const endToken = 21
export const vocabSize = nodes + 1

export interface RandomWalks {
  /** For each node, those that an edge leads to. */
  readonly edges: readonly (readonly number[])[]
  /** For each node, the number of nodes on a shortest way to the goal, both ends included. */
  readonly shortest: readonly number[]
}

/**
 * A graph: each ordered pair of nodes has an edge with probability 0.1, every node has one at least, and the goal keeps whoever arrives. Graphs in which
 * a node cannot reach the goal within a walk, for which no score is defined, are drawn again.
 */
export function randomWalks(options: { readonly seed: number | string }): RandomWalks {
  const draw = random(options.seed).stream('graph')
  for (;;) {
    const edges = Array.from({ length: nodes }, (_, from) =>
      from === 0 ? [0] : Array.from({ length: nodes }, (_, to) => to).filter((to) => draw.uniform() < 0.1 && to !== from),
    )
    if (edges.some((next) => next.length === 0)) continue
    const shortest = shortestWays(edges)
    if (shortest.every((length) => length < longestWalk)) return { edges, shortest }
  }
}

/** Breadth first from the goal, against the edges. */
function shortestWays(edges: RandomWalks['edges']): number[] {
  const lengths = new Array<number>(nodes).fill(Infinity)
  lengths[0] = 1
  for (let length = 2; ; length++) {
    const reached = edges.flatMap((next, node) =>
      lengths[node] === Infinity && next.some((to) => lengths[to] === length - 1) ? [node] : [],
    )
    if (reached.length === 0) return lengths
    for (const node of reached) lengths[node] = length
  }
}

/** A walk from any node but the goal, an edge at random each time, until the goal or ten nodes. */
export function randomWalk({ edges }: RandomWalks, draw: RandomStream): number[] {
  const walk = [1 + draw.int(nodes - 1)]
  while (walk.length < longestWalk && walk.at(-1) !== 0) walk.push(draw.choice(edges[walk.at(-1)!]!))
  return walk
}

/**
 * How good a walk is, from 0 to 1: (10 − its nodes) / (10 − those of the shortest way from its start). A walk that leaves the edges, or does not
 * arrive, counts as ten nodes. What follows the goal is not looked at.
 */
export function optimality({ edges, shortest }: RandomWalks, walk: readonly number[]): number {
  const arrival = walk.indexOf(0)
  const way = walk.slice(0, arrival + 1)
  const isValid = arrival >= 0 && way.every((node, i) => i === 0 || edges[way[i - 1]!]?.includes(node) === true)
  const length = isValid ? Math.min(way.length, longestWalk) : longestWalk
  return (longestWalk - length) / (longestWalk - shortest[walk[0]!]!)
}
