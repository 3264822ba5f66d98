import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
} from '@pratu/plugin-kit/testing'
import { expect, test } from 'vitest'
import { allowedTeams } from './plugin.ts'

const validConfig = { teams: ['search', 'support'] }

describePlugin(allowedTeams, {
  validConfig,
  defaults: { headerName: 'X-Team' },
  invalidConfigs: [
    { config: { teams: [] }, message: 'name at least one team', path: 'teams' },
    {
      config: { ...validConfig, header_name: 'X Team' },
      message: 'expected a header name',
      path: 'header_name',
    },
  ],
  refusals: [
    {
      name: 'no team',
      exchange: {},
      status: 403,
      code: 'team_not_allowed',
      message: 'X-Team names no team that may pass',
    },
    {
      name: 'another team',
      exchange: { headers: { 'X-Team': 'sales' } },
      status: 403,
      code: 'team_not_allowed',
    },
  ],
})

test('a known team passes, and upstream, client and log are told which it is', async () => {
  const plugin = allowedTeams.create(parseConfig(allowedTeams, validConfig), givenContext())
  const exchange = givenExchange({ headers: { 'x-team': 'search' } })
  const { proxied, headers } = await runExchange(plugin, exchange)
  expect(proxied).toBe(true)
  expect(exchange.upstream.headers.get('x-allowed-team')).toBe('search')
  expect(headers.get('x-allowed-team')).toBe('search')
  expect(exchange.annotations.get('team')).toBe('search')
})
