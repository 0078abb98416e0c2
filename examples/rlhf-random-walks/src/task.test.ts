import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { longestWalk, nodes, optimality, randomWalk, randomWalks } from './task.js'
import { solve } from './train.js'

describe('the random-walks task', () => {
  it('makes graphs in which every node leads to the goal', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { edges, shortest } = randomWalks({ seed })
      expect(edges).toHaveLength(nodes)
      expect(edges[0]).toEqual([0])
      expect(shortest[0]).toBe(1)
      for (let node = 1; node < nodes; node++) {
        expect(edges[node]!.length).toBeGreaterThan(0)
        expect(edges[node]).not.toContain(node)
        expect(shortest[node]).toBe(1 + Math.min(...edges[node]!.map((next) => shortest[next]!)))
        expect(shortest[node]).toBeLessThan(longestWalk)
      }
    }
    expect(randomWalks({ seed: 3 })).toEqual(randomWalks({ seed: 3 }))
  })

  it('scores walks between 0 and 1: 1 for a shortest way, 0 for one that leaves the edges or does not arrive', () => {
    const task = randomWalks({ seed: 1 })
    for (let start = 1; start < nodes; start++) {
      const way = [start]
      while (way.at(-1) !== 0) way.push(task.edges[way.at(-1)!]!.find((next) => task.shortest[next] === task.shortest[way.at(-1)!]! - 1)!)
      expect(optimality(task, way)).toBe(1)
      expect(optimality(task, [...way, 5, 5])).toBe(1)
      expect(optimality(task, way.slice(0, -1))).toBe(0)
      const stranger = Array.from({ length: nodes }, (_, node) => node).find((node) => node > 0 && !task.edges[start]!.includes(node))!
      expect(optimality(task, [start, stranger, 0])).toBe(0)
      expect(optimality(task, [start, 99, 0])).toBe(0)
    }
    const draw = random(4)
    for (let i = 0; i < 200; i++) {
      const walk = randomWalk(task, draw)
      expect(walk.length).toBeLessThanOrEqual(longestWalk)
      const score = optimality(task, walk)
      expect(score >= 0 && score <= 1 && (walk.at(-1) === 0 || score === 0)).toBe(true)
    }
  })

  it('is learnt by PPO', async () => {
    const { before, after } = await solve({ seed: 1, pretrainSteps: 150, steps: 20, samples: 10 })
    expect(before).toBeLessThan(0.4)
    expect(after).toBeGreaterThan(0.7)
  }, 120_000)
})
