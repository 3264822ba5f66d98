import { Secret } from '../entities.ts'
import type {
  ConfigurationLocation,
  HeaderTokens,
  MemorySettings,
  NodeSettings,
  PriceList,
  RequestLimits,
  UpstreamSettings,
} from '../node-settings.ts'
import { parsePriceList } from '../price-list.ts'
import { renderDiagnostics } from '../render-diagnostics.ts'
import type { HostFacts } from './host-facts.ts'
import { type Environment, type NodeFlags, SettingReader } from './setting-reader.ts'
import { journalOf, redactionOf } from './journal-settings.ts'
import { judgeStrayVariables } from './stray-variables.ts'
import * as kind from './values.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** The node cannot start with these settings. */
export class NodeSettingsError extends Error {
  override readonly name = 'NodeSettingsError'
  /** Each names the variable, its value and what is accepted. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/**
 * Reads everything that belongs to the node: flags, then `PRATU_*`, then `KONG_*` (architecture §4, kong.md §5).
 *
 * @throws {NodeSettingsError} with all problems at once.
 */
export function readNodeSettings(
  flags: NodeFlags,
  environment: Environment,
  facts: HostFacts,
): { readonly settings: NodeSettings; readonly warnings: readonly string[] } {
  const reader = new SettingReader(flags, environment)
  checkDatabase(reader)
  const settings: NodeSettings = {
    configuration: configurationOf(reader),
    configurationLimits: {
      maxBytes: reader.value('configurationMaxBytes', kind.size(1), 8 * MIB),
    },
    compatibility: reader.value('compatibility', kind.oneOf('pratu', 'kong'), 'pratu'),
    proxyListen: proxyListenOf(reader),
    adminListen: reader.value('adminListen', kind.listenAddresses, [
      { host: '127.0.0.1', port: 8080 },
    ]),
    statusListen: reader.value('statusListen', kind.listenAddresses, []),
    workers: workersOf(reader, facts),
    logLevel: logLevelOf(reader),
    proxyAccessLog: reader.value('proxyAccessLog', kind.logDestination, '/dev/stdout'),
    adminAccessLog: reader.value('adminAccessLog', kind.logDestination, '/dev/stdout'),
    errorLog: reader.value('errorLog', kind.logDestination, '/dev/stderr'),
    trustedIps: trustedIpsOf(reader),
    realIpHeader: realIpHeaderOf(reader),
    realIpRecursive: reader.value('realIpRecursive', kind.flag, false),
    plugins: pluginsOf(reader),
    pluginModules: reader.value('pluginModules', kind.list(kind.text), []),
    headers: headersOf(reader),
    limits: limitsOf(reader),
    upstream: upstreamOf(reader, facts),
    memory: memoryOf(reader, facts),
    cacheTtlSeconds: reader.optional('cacheTtlSeconds', kind.seconds),
    drain: drainOf(reader),
    prices: pricesOf(reader, facts),
    adminToken: adminTokenOf(reader, environment),
    journal: journalOf(reader),
    redaction: redactionOf(reader),
    namespace: reader.optional('namespace', kind.text) ?? facts.namespace,
    hostname: facts.hostname,
    containerMetrics: reader.value('containerMetrics', kind.flag, true),
    readyWithoutRedis: reader.value('readyWithoutRedis', kind.flag, true),
  }
  judgeStrayVariables(environment, reader)
  if (reader.problems.length > 0) throw new NodeSettingsError(reader.problems)
  return { settings, warnings: reader.warnings }
}

function checkDatabase(reader: SettingReader): void {
  const database = reader.find('database')
  if (database === undefined || database.text.toLowerCase() === 'off') return
  reader.problems.push(
    `${database.name}: '${database.text}' is not supported; this gateway has no database: write off, and give a file with KONG_DECLARATIVE_CONFIG`,
  )
}

/** A file wins over a text (kong.md §1.1). */
function configurationOf(reader: SettingReader): ConfigurationLocation | undefined {
  const path = reader.optional('configuration', kind.text)
  const text = reader.optional('configurationText', kind.text)
  if (path !== undefined) return { kind: 'path', path }
  return text === undefined ? undefined : { kind: 'text', text }
}

/** `--port` is `--proxy-listen` on all addresses. */
function proxyListenOf(reader: SettingReader): NodeSettings['proxyListen'] {
  const port = reader.optional('port', kind.wholeNumber(0, 65_535))
  if (port !== undefined) {
    const other = reader.find('proxyListen')
    if (other !== undefined) reader.warn(`${other.name} has no effect: --port wins`)
    return [{ host: '0.0.0.0', port }]
  }
  const addresses = reader.value('proxyListen', kind.listenAddresses, [
    { host: '0.0.0.0', port: 8000 },
  ])
  const given = reader.find('proxyListen')
  if (addresses.length === 0 && given !== undefined && given.text !== 'off')
    reader.problems.push(
      `${given.name}: '${given.text}' leaves no listener that this version serves; add one without ssl such as 0.0.0.0:8000`,
    )
  return addresses
}

function workersOf(reader: SettingReader, facts: HostFacts): number {
  return reader.value(
    'workers',
    {
      accepts: 'auto, or a whole number from 1 to 256',
      parse: (text, warn) =>
        text === 'auto' ? facts.cpus : kind.wholeNumber(1, 256).parse(text, warn),
    },
    1,
  )
}

const KONG_LOG_LEVELS = [
  'debug',
  'info',
  'notice',
  'warn',
  'error',
  'crit',
  'alert',
  'emerg',
  'fatal',
] as const

function logLevelOf(reader: SettingReader): NodeSettings['logLevel'] {
  const level = reader.value('logLevel', kind.oneOf(...KONG_LOG_LEVELS), 'info')
  switch (level) {
    case 'notice':
      return 'info'
    case 'crit':
    case 'alert':
    case 'emerg':
      return 'fatal'
    default:
      return level
  }
}

function trustedIpsOf(reader: SettingReader): readonly string[] {
  const trusted = reader.value('trustedIps', kind.list(kind.trustedAddress), [])
  if (trusted.includes('unix:'))
    reader.warn(`trusted addresses: 'unix:' is ignored, there are no listeners on unix sockets`)
  return trusted.filter((one) => one !== 'unix:')
}

function realIpHeaderOf(reader: SettingReader): string {
  const header = reader.value('realIpHeader', kind.headerFieldName, 'X-Real-IP')
  if (header !== 'proxy_protocol') return header
  reader.problems.push(
    'the client address cannot be taken from the PROXY protocol in this version; name a header field such as X-Forwarded-For',
  )
  return header
}

function pluginsOf(reader: SettingReader): NodeSettings['plugins'] {
  const names = reader.value('plugins', kind.list(kind.text), ['bundled'])
  return names.length === 1 && names[0] === 'bundled' ? 'bundled' : names
}

/** Kong's names of single header fields, and which of our switches they belong to. */
const HEADER_NAMES: ReadonlyMap<string, keyof HeaderTokens> = new Map<string, keyof HeaderTokens>(
  Object.entries({
    server_tokens: 'serverTokens',
    server: 'serverTokens',
    via: 'serverTokens',
    latency_tokens: 'latencyTokens',
    'x-kong-proxy-latency': 'latencyTokens',
    'x-kong-response-latency': 'latencyTokens',
    'x-kong-upstream-latency': 'latencyTokens',
    'x-kong-admin-latency': 'latencyTokens',
    'x-kong-total-latency': 'latencyTokens',
    'x-kong-third-party-latency': 'latencyTokens',
    'x-kong-request-id': 'requestId',
    'x-kong-upstream-status': 'upstreamStatus',
  } as const),
)

const headerSwitch: kind.ValueKind<keyof HeaderTokens> = {
  accepts: `one of ${[...HEADER_NAMES.keys()].join(', ')}`,
  parse: (text) => HEADER_NAMES.get(text.toLowerCase()),
}

function headersOf(reader: SettingReader): HeaderTokens {
  const names = reader.value('headers', kind.list(headerSwitch), [
    'serverTokens',
    'latencyTokens',
    'requestId',
  ])
  const upstream = reader.value('headersUpstream', kind.list(kind.oneOf('x-kong-request-id')), [
    'x-kong-request-id',
  ])
  return {
    serverTokens: names.includes('serverTokens'),
    latencyTokens: names.includes('latencyTokens'),
    requestId: names.includes('requestId'),
    upstreamStatus: names.includes('upstreamStatus'),
    upstreamRequestId: upstream.length > 0,
    debug: reader.value('allowDebugHeader', kind.flag, false),
  }
}

/** Defaults: the limits that the fault catalogue assumes. */
function limitsOf(reader: SettingReader): RequestLimits {
  return {
    headerBytes: reader.value('headerBytes', kind.size(256), 16 * KIB),
    headerFields: reader.value('headerFields', kind.wholeNumber(1, 10_000), 100),
    urlBytes: reader.value('urlBytes', kind.size(16), 8 * KIB),
    bodyBytes: reader.value('bodyBytes', kind.bodySize, 10 * MIB),
    aiBodyBytes: reader.value('aiBodyBytes', kind.bodySize, 50 * MIB),
    jsonDepth: reader.value('jsonDepth', kind.wholeNumber(1, 1000), 64),
    jsonMembers: reader.value('jsonMembers', kind.wholeNumber(1), 50_000),
    headersTimeoutMs: reader.value('headersTimeoutMs', kind.duration(1), 10_000),
    bodyTimeoutMs: reader.value('bodyTimeoutMs', kind.duration(1), 60_000),
    bodyFloorBytesPerSecond: reader.value('bodyFloorBytesPerSecond', kind.size(), KIB),
    bodyGraceMs: reader.value('bodyGraceMs', kind.duration(), 5000),
    keepAliveTimeoutMs: reader.value('keepAliveTimeoutMs', kind.duration(1), 75_000),
    writeStallMs: reader.value('writeStallMs', kind.duration(1), 60_000),
    maxConnections: reader.value('maxConnections', kind.wholeNumber(1), 16_384),
    requestBufferBytes: reader.value('requestBufferBytes', kind.size(), MIB),
  }
}

function upstreamOf(reader: SettingReader, facts: HostFacts): UpstreamSettings {
  return {
    keepalivePoolSize: reader.value('keepalivePoolSize', kind.wholeNumber(0), 512),
    keepaliveMaxRequests: reader.value('keepaliveMaxRequests', kind.wholeNumber(0), 10_000),
    keepaliveIdleTimeoutMs: reader.value('keepaliveIdleTimeoutMs', kind.duration(), 60_000),
    maxAgeMs: reader.value('maxAgeMs', kind.duration(), 300_000),
    dnsTimeoutMs: reader.value('dnsTimeoutMs', kind.duration(1), 5000),
    dnsTtlMs: reader.value('dnsTtlMs', kind.duration(), 10_000),
    dnsStaleMs: reader.value('dnsStaleMs', kind.duration(), 3_600_000),
    caBundle: caBundleOf(reader, facts),
    overrides: reader.value('overrides', kind.originMap, new Map()),
    httpProxy: reader.optional('httpProxy', kind.proxyUrl),
    httpsProxy: reader.optional('httpsProxy', kind.proxyUrl),
    noProxy: reader.value('noProxy', kind.list(kind.text), []),
    maxHeaderBytes: reader.value('maxUpstreamHeaderBytes', kind.size(256), 64 * KIB),
  }
}

/** Files with certificates; `system` stands for the authorities that the runtime knows, which are always trusted. */
function caBundleOf(reader: SettingReader, facts: HostFacts): string | undefined {
  const files = reader.value('caBundle', kind.list(kind.text), []).filter((one) => one !== 'system')
  const texts = files.flatMap((file) => {
    const name = reader.find('caBundle')?.name ?? ''
    try {
      const text = facts.readText(file)
      if (text.includes('-----BEGIN CERTIFICATE-----')) return [text]
      reader.problems.push(
        `${name}: ${file} holds no certificate; write files in PEM form, or system`,
      )
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      reader.problems.push(`${name}: ${file} cannot be read (${reason})`)
    }
    return []
  })
  return texts.length === 0 ? undefined : texts.join('\n')
}

const DEFAULT_CACHE_BYTES = 128 * MIB
const DEFAULT_BUFFER_BYTES = 256 * MIB
const SMALLEST_BUFFER_BYTES = 16 * MIB

/**
 * Sized from the container: by its request when that is given, as memory autoscaling is a share of the request, else by
 * its limit.
 */
function memoryOf(reader: SettingReader, facts: HostFacts): MemorySettings {
  const limitBytes = reader.optional('memoryLimit', kind.size(MIB)) ?? facts.memoryLimitBytes
  const requestBytes = reader.optional('memoryRequest', kind.size(MIB))
  const basis = requestBytes ?? limitBytes
  const cacheBytes = reader.value(
    'cacheBytes',
    kind.size(),
    basis === undefined
      ? DEFAULT_CACHE_BYTES
      : Math.min(DEFAULT_CACHE_BYTES, Math.floor(basis / 4)),
  )
  if (limitBytes !== undefined && cacheBytes > limitBytes / 2)
    reader.warn(
      `the caches may grow to ${Math.round(cacheBytes / MIB)} MiB, more than half of the container's ${Math.round(limitBytes / MIB)} MiB; the rest may not suffice under load`,
    )
  return {
    limitBytes,
    requestBytes,
    cacheBytes,
    bufferBytes: reader.value(
      'bufferBytes',
      kind.size(MIB),
      basis === undefined
        ? DEFAULT_BUFFER_BYTES
        : Math.min(DEFAULT_BUFFER_BYTES, Math.max(SMALLEST_BUFFER_BYTES, Math.floor(basis / 8))),
    ),
  }
}

function drainOf(reader: SettingReader): NodeSettings['drain'] {
  const timeoutMs = reader.value('drainTimeoutMs', kind.duration(), 25_000)
  const minimumMs = reader.value('drainMinimumMs', kind.duration(), Math.min(10_000, timeoutMs))
  if (minimumMs > timeoutMs)
    reader.problems.push(
      `PRATU_DRAIN_MINIMUM: ${minimumMs} ms is longer than the whole drain of ${timeoutMs} ms; lower it or raise PRATU_DRAIN_TIMEOUT`,
    )
  return { minimumMs, timeoutMs }
}

/** Read with the settings, so that a mistake in it stops the start and every thread has the same prices. */
function pricesOf(reader: SettingReader, facts: HostFacts): PriceList | undefined {
  const path = reader.optional('prices', kind.text)
  if (path === undefined) return undefined
  const name = reader.find('prices')?.name ?? ''
  let text: string
  try {
    text = facts.readText(path)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    reader.problems.push(`${name}: ${path} cannot be read (${reason})`)
    return undefined
  }
  const parsed = parsePriceList(text, path)
  if (parsed.ok) return parsed.list
  const problems = renderDiagnostics(parsed.problems, { colour: false })
  reader.problems.push(`${name}: the prices are not valid\n${problems}`)
  return undefined
}

/** An empty token would let everybody in, or nobody: S12. */
function adminTokenOf(reader: SettingReader, environment: Environment): Secret | undefined {
  const token = environment['PRATU_ADMIN_TOKEN']
  if (token === undefined) return undefined
  const trimmed = token.trim()
  if (trimmed === '' || trimmed === 'undefined' || trimmed === 'null') {
    reader.problems.push(
      'PRATU_ADMIN_TOKEN: it is empty; give it a secret, or unset it to keep the admin API to loopback',
    )
    return undefined
  }
  return new Secret(trimmed)
}
