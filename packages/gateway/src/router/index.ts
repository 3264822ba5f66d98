export { createRouter, createRouterInSteps } from './router.ts'
export type { MatchInput, RouteMatch, Router, RouterEntry } from './route-match.ts'
export { upstreamPath, type UpstreamPathInput } from './upstream-path.ts'
