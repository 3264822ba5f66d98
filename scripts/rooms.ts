/**
 * The rooms of `packages/gateway/src`, lowest first: the one list that the linter's layers are generated from. A room
 * may import the rooms before it, through their `index.ts`.
 */
export const ROOMS = [
  'errors',
  'http',
  'redis',
  'regex',
  'config',
  'observe',
  'router',
  'upstream',
  'limits',
  'cache',
  'journal',
  'pipeline',
  'ai',
  'plugins',
  'listener',
  'admin',
  'runtime',
  'cli',
] as const
