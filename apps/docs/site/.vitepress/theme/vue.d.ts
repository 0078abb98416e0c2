/** For compilers that do not read components. `vue-tsc` finds the files themselves first. */
declare module '*.vue' {
  import type { Component } from 'vue'

  const component: Component
  export default component
}
