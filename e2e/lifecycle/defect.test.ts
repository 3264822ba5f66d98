import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startPratu } from '../pratu-process.ts'
import { ask } from './load.ts'

const PROBE = fileURLToPath(new URL('./lifecycle-probe.ts', import.meta.url))

const CONFIGURATION = `_format_version: "3.0"
routes:
- name: answered
  paths: [/answered]
  plugins:
  - name: lifecycle-probe
    config: {}
  - name: request-termination
    config: {status_code: 200, message: fine}
`

test.each([
  ['throws', 'throw', 'harm: thrown in a timer'],
  ['rejects', 'reject', 'harm: rejected'],
])(
  'F51 a defect that %s takes the single process out of service: its request gets 500, the others end well, exit 1',
  async (_name, harm, told) => {
    const pratu = await startPratu({
      configuration: CONFIGURATION,
      environment: { PRATU_PLUGIN_MODULES: PROBE, PRATU_DRAIN_MINIMUM: '0' },
    })
    try {
      const { proxyPort: port } = pratu
      const asked = (headers: Readonly<Record<string, string>>) =>
        ask({ port, path: '/answered', headers })
      const bystander = asked({ 'x-hold': '300' })
      const harmed = await asked({ 'x-harm': harm, 'x-hold': '5000' })
      expect(harmed.status).toBe(500)
      expect((await bystander).status).toBe(200)
      expect((await pratu.exited).code).toBe(1)
      const fatal = pratu.log.filter((line) =>
        String(line['msg']).startsWith('a defect that nobody caught'),
      )
      expect(fatal).toHaveLength(1)
      expect(fatal[0]?.['request_id']).toBe(harmed.headers['x-kong-request-id'])
      expect(JSON.stringify(fatal)).toContain(told)
    } finally {
      await pratu.stop()
    }
  },
)
