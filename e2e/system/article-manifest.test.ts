/**
 * The article's Deployment with only its image changed: the program in a network namespace of its own, with the
 * environment, the mounted file and the ports of the manifest, probed and scraped from outside as a kubelet and a
 * Prometheus do.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator } from '@pratu/simulator'
import { expect, onTestFinished } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { articleTest } from '../article-files.ts'
import { chat } from '../gateway.ts'
import { createNetworkNamespace } from '../network-namespace.ts'
import { startPratu } from '../pratu-process.ts'

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.number() }) })
const Deployment = z.object({
  kind: z.literal('Deployment'),
  spec: z.object({
    template: z.object({
      metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
      spec: z.object({
        containers: z.tuple([
          z.object({
            env: z.array(z.object({ name: z.string(), value: z.string() })),
            ports: z.array(z.object({ containerPort: z.number(), name: z.string() })),
            livenessProbe: Probe,
            readinessProbe: Probe,
            volumeMounts: z.tuple([z.object({ mountPath: z.string() })]),
          }),
        ]),
      }),
    }),
  }),
})
const ConfigMap = z.object({
  kind: z.literal('ConfigMap'),
  data: z.object({ 'kong.yml': z.string() }),
})

/** What a program looks up under `/etc` besides its configuration. */
const SYSTEM_FILES = ['hosts', 'resolv.conf', 'nsswitch.conf', 'passwd', 'group', 'ld.so.cache']

/** An `/etc` with the ConfigMap mounted at the manifest's path, put over the real one for the program alone. */
function etcWith(mountPath: string, kongYml: string): string {
  const etc = mkdtempSync(join(tmpdir(), 'pratu-etc-'))
  onTestFinished(() => rmSync(etc, { recursive: true }))
  for (const name of SYSTEM_FILES) {
    if (existsSync(`/etc/${name}`)) cpSync(`/etc/${name}`, join(etc, name), { dereference: true })
  }
  const folder = join(etc, mountPath.replace(/^\/etc\//, ''))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'kong.yml'), kongYml)
  return etc
}

articleTest(
  "the article's Deployment starts, passes its probes, answers and is scraped",
  async (files) => {
    const documents = parseAllDocuments(files.read('ai-gateway.yaml')).map((document): unknown =>
      document.toJS(),
    )
    const deployment = documents.flatMap((one) => Deployment.safeParse(one).data ?? [])[0]
    const configMap = documents.flatMap((one) => ConfigMap.safeParse(one).data ?? [])[0]
    if (deployment === undefined || configMap === undefined) throw new Error('no such document')
    const { template } = deployment.spec
    const [container] = template.spec.containers
    const port = (name: string): number =>
      container.ports.find((one) => one.name === name)?.containerPort ?? 0
    expect([port('proxy'), port('admin')]).toEqual([8000, 8080])

    await using network = await createNetworkNamespace()
    const simulator = await startSimulator({ host: network.hostAddress })
    onTestFinished(() => simulator.close())
    const etc = etcWith(container.volumeMounts[0].mountPath, configMap.data['kong.yml'])
    const pratu = await startPratu({
      wrapper: [
        ...network.enter,
        'unshare',
        '--mount',
        'sh',
        '-c',
        'mount --bind "$0" /etc && exec "$@"',
        etc,
      ],
      environment: {
        ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
        // What the image sets, beside the manifest.
        PRATU_PROXY_LISTEN: '',
        PRATU_ADMIN_LISTEN: '0.0.0.0:8080',
        // Where the test's provider is.
        PRATU_UPSTREAM_OVERRIDES: `https://api.holysheep.ai=${simulator.url}`,
      },
    })
    onTestFinished(() => pratu.stop())
    expect([pratu.proxyPort, pratu.adminPort]).toEqual([8000, 8080])
    expect(pratu.log.filter(({ level }) => level === 'error')).toEqual([])

    for (const { httpGet } of [container.livenessProbe, container.readinessProbe]) {
      const probe = await fetch(`http://${network.address}:${httpGet.port}${httpGet.path}`)
      expect(probe.status).toBe(200)
    }

    const proxy = `http://${network.address}:${port('proxy')}`
    const answer = await fetch(`${proxy}/v1/chat/completions`, chat())
    expect([answer.status, simulator.requests.map(({ target }) => target)]).toEqual([
      200,
      ['/v1/chat/completions'],
    ])

    const scraped = template.metadata.annotations['prometheus.io/port']
    const metrics = await (await fetch(`http://${network.address}:${scraped}/metrics`)).text()
    expect(metrics).toContain(
      'kong_requests_total{service="holysheep-ai",route="chat-route",status="200"} 1\n',
    )
    const latency = await fetch(`http://${network.address}:${scraped}/v1/metrics/latency`)
    expect(await latency.text()).toMatch(/^pratu_latency_samples\{window="1m"\} 1$/m)

    // Pod discovery scrapes every declared port (mistake 10): this target is up, and has no series.
    const empty = await fetch(`${proxy}/metrics`)
    expect(empty.status).toBe(200)
    const lines = (await empty.text()).split('\n').filter((line) => line !== '')
    expect(lines.filter((line) => !line.startsWith('#'))).toEqual([])

    // What is not for everybody is not for peers of another machine.
    expect((await fetch(`http://${network.address}:${scraped}/config`)).status).toBe(403)

    pratu.signal('SIGINT')
    expect(await pratu.exited).toEqual({ code: 0, signal: null })
  },
)
