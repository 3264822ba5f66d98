import { describe, expect, test } from 'vitest'

import { sha256Hex } from './ids.ts'
import {
  authority,
  expiredAuthority,
  leafCertificate,
  leafKey,
  otherKey,
} from './testing/certificates.ts'
import { accept, refuse, warningsOf } from './testing/parse.ts'

describe('kong.md §1.6 services', () => {
  test('defaults', () => {
    expect(accept('services: [{name: s, host: h}]').services[0]).toMatchObject({
      protocol: 'http',
      port: 80,
      path: undefined,
      retries: 5,
      connectTimeoutMs: 60_000,
      writeTimeoutMs: 60_000,
      readTimeoutMs: 60_000,
      enabled: true,
      tlsVerify: undefined,
      aiFormat: undefined,
      tags: [],
    })
    expect(accept('services: [{host: h, protocol: https}]').services[0]?.port).toBe(80)
  })

  test.each([
    ['http://h', { protocol: 'http', host: 'h', port: 80, path: undefined }],
    ['https://h/', { protocol: 'https', host: 'h', port: 443, path: '/' }],
    ['https://h:8443/a/b?q=1#f', { protocol: 'https', host: 'h', port: 8443, path: '/a/b' }],
    ['h:443/x', { protocol: 'https', host: 'h', port: 443, path: '/x' }],
    ['h', { protocol: 'http', host: 'h', port: 80 }],
    ['HTTP://h', { protocol: 'http' }],
    ['tcp://h:9000', { protocol: 'tcp', port: 9000 }],
    ['http://[::1]:80/x', { host: '::1', port: 80, path: '/x' }],
  ])('the url shorthand %s', (url, expected) => {
    expect(accept(`services: [{url: "${url}"}]`).services[0]).toMatchObject(expected)
  })

  test('the shorthand overrides its siblings', () => {
    const [service] = accept(
      'services: [{url: "https://a.com", host: b.com, port: 1, path: /p, protocol: http}]',
    ).services
    expect(service).toMatchObject({ protocol: 'https', host: 'a.com', port: 443, path: undefined })
  })

  test('what the shorthand hides is told at the url', () => {
    expect(refuse('services: [{url: "ftp://h"}, {url: "http://h//x"}, {url: "http://"}]')).toEqual([
      'services[0].url: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp',
      'services[1].url: must not have empty segments',
      'services[2].url: required field missing',
      'services[2].url: missing host in url',
    ])
  })

  test('bounds and forms', () => {
    expect(
      refuse(`
services:
- {name: a, host: "h:80"}
- {name: b, host: "bad_host!"}
- {name: c, host: h, port: 70000, retries: 32768, connect_timeout: 0, path: x}
- {name: d, host: h, path: "/a%zz", tls_verify_depth: 65, protocol: https}
- {name: e, host: h-., tags: ["a,b"]}
- {name: "f g", host: h, retries: 1.5, enabled: "true"}
`),
    ).toEqual([
      'services[0].host: must not have a port',
      'services[1].host: invalid value: bad_host!',
      'services[2].port: value should be between 0 and 65535',
      'services[2].retries: value should be between 0 and 32767',
      'services[2].connect_timeout: value should be between 1 and 2147483646',
      'services[2].path: should start with: /',
      "services[3].path: invalid url-encoded value: '%zz'",
      'services[3].tls_verify_depth: value should be between 0 and 64',
      'services[4].host: invalid value: h-.',
      "services[4].tags[0]: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
      "services[5].name: invalid value 'f g': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
      'services[5].retries: expected an integer',
      'services[5].enabled: expected a boolean',
    ])
  })

  test('members that do not go with the protocol', () => {
    expect(refuse('services: [{host: h, protocol: tcp, path: /x, tls_verify: true}]')).toEqual([
      "services[0]: failed conditional validation given value of field 'protocol'",
      'services[0].path: value must be null',
      'services[0].tls_verify: value must be null',
    ])
    expect(refuse('services: [{host: h, protocol: grpc, path: /x}]')[1]).toBe(
      'services[0].path: value must be null',
    )
  })

  test('stream and gRPC services load and are named as not served', () => {
    expect(warningsOf('services: [{host: h, protocol: grpc}]')).toEqual([
      "services[0].protocol: protocol 'grpc' is not served by this version; requests to this service fail",
    ])
  })

  test('architecture §3 AI traffic is recognised by the path, and gets ten minutes to answer', () => {
    const formats = (paths: string[]) =>
      accept(`services: [${paths.map((path) => `{host: h, path: "${path}"}`).join(', ')}]`).services
    expect(
      formats([
        '/v1/chat/completions',
        '/v1/completions',
        '/v1/messages',
        '/v1/responses',
        '/v1/embeddings/',
        '/m:generateContent',
        '/m:streamGenerateContent',
        '/v1',
        '/completionsx',
      ]).map(({ aiFormat, readTimeoutMs }) => [aiFormat, readTimeoutMs]),
    ).toEqual([
      ['openai-chat', 600_000],
      ['openai-completions', 600_000],
      ['anthropic-messages', 600_000],
      ['openai-responses', 600_000],
      ['openai-embeddings', 600_000],
      ['gemini', 600_000],
      ['gemini', 600_000],
      [undefined, 60_000],
      [undefined, 60_000],
    ])
    const given = accept(`services:
- {host: h, path: /v1/messages, ai_format: none}
- {host: h, path: /x, ai_format: openai-chat}
- {host: h, path: /v1/messages, read_timeout: 5000}`).services
    expect(given.map(({ aiFormat, readTimeoutMs }) => [aiFormat, readTimeoutMs])).toEqual([
      [undefined, 60_000],
      ['openai-chat', 600_000],
      ['anthropic-messages', 5000],
    ])
    expect(
      accept('services: [{host: h, path: /v1/messages}]', { compatibility: 'kong' }).services[0],
    ).toMatchObject({ aiFormat: 'anthropic-messages', readTimeoutMs: 60_000 })
  })
})

describe('kong.md §1.6 routes', () => {
  test('defaults', () => {
    expect(accept('routes: [{paths: [/x]}]').routes[0]).toMatchObject({
      serviceId: undefined,
      protocols: ['http', 'https'],
      hosts: [],
      methods: [],
      regexPriority: 0,
      stripPath: true,
      pathHandling: 'v0',
      preserveHost: false,
      requestBuffering: true,
      responseBuffering: true,
      httpsRedirectStatusCode: 426,
      createdAt: undefined,
    })
    expect(accept('routes: [{hosts: [a], protocols: [grpc], name: g}]').routes[0]?.stripPath).toBe(
      false,
    )
  })

  test('headers are kept by lower-case name, sets without repetition', () => {
    const [route] = accept('routes: [{headers: {X-A: [b, C]}, methods: [GET, PUT, GET]}]').routes
    expect(route?.headers).toEqual(new Map([['x-a', ['b', 'C']]]))
    expect(route?.methods).toEqual(['GET', 'PUT'])
  })

  test('paths', () => {
    expect(
      refuse(
        `routes: [{paths: [x, "~x", //a, "/a/./b", "/%61", "/a b", "/%zz", "~/(?=x)", "~/(", "~/(a)\\\\1"]}]`,
      ),
    ).toEqual([
      'routes[0].paths[0]: should start with: / (fixed path) or ~/ (regex path)',
      'routes[0].paths[1]: should start with: / (fixed path) or ~/ (regex path)',
      'routes[0].paths[2]: must not have empty segments',
      "routes[0].paths[3]: non-normalized path, consider use '/a/b' instead",
      "routes[0].paths[4]: non-normalized path, consider use '/a' instead",
      expect.stringContaining("routes[0].paths[5]: invalid path: '/a b'"),
      "routes[0].paths[6]: invalid url-encoded value: '%zz'",
      expect.stringMatching(/^routes\[0\]\.paths\[7\]: invalid regex: .*look-around/),
      expect.stringMatching(/^routes\[0\]\.paths\[8\]: invalid regex/),
      expect.stringMatching(/^routes\[0\]\.paths\[9\]: invalid regex/),
    ])
    accept(`routes: [{paths: [/, "/a%2Fb", "~/v\\\\d+/(?<name>[^/]+)$"]}]`)
  })

  test('hosts: one wildcard, at an end, for a whole label; a port may follow', () => {
    accept(
      'routes: [{hosts: [a.com, "*.a.com", "a.*", "a.com:8000", "*.a.com:81", "127.0.0.1", "[::1]:80"]}]',
    )
    expect(refuse('routes: [{hosts: ["a.*.com", "*a.com", "*.*", "a.com:99999", "a b"]}]')).toEqual(
      [
        'routes[0].hosts[0]: invalid wildcard: must be placed at leftmost or rightmost label',
        'routes[0].hosts[1]: invalid wildcard: must be placed at leftmost or rightmost label',
        'routes[0].hosts[2]: invalid wildcard: only one wildcard must be specified',
        'routes[0].hosts[3]: invalid value: a.com:99999',
        'routes[0].hosts[4]: invalid value: a b',
      ],
    )
  })

  test.each([
    [
      '{}',
      "routes[0]: must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'",
    ],
    [
      '{protocols: [http]}',
      "routes[0]: must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'",
    ],
    [
      '{protocols: [grpc]}',
      "routes[0]: must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'",
    ],
    [
      '{paths: [/], protocols: [http, tcp]}',
      "routes[0].protocols: these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp'), ('tls_passthrough'), ('grpc', 'grpcs')",
    ],
    ['{paths: [/], protocols: []}', 'routes[0].protocols: length must be at least 1'],
    [
      '{headers: {Host: [a]}}',
      "routes[0].headers.Host: cannot contain 'host' header, which must be specified in the 'hosts' attribute",
    ],
    [
      '{paths: [/], https_redirect_status_code: 300}',
      'routes[0].https_redirect_status_code: expected one of: 426, 301, 302, 307, 308',
    ],
    [
      '{paths: [/], protocols: [http], snis: [a.com]}',
      "routes[0].snis: 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'",
    ],
    [
      '{paths: [/], protocols: [grpc], strip_path: true}',
      "routes[0].strip_path: cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
    ],
    [
      '{paths: [/], sources: [{ip: 1.2.3.4}]}',
      "routes[0].sources: cannot set 'sources' when 'protocols' is 'http'",
    ],
    ['{methods: [get]}', 'routes[0].methods[0]: invalid value: get'],
  ])('%s', (route, problem) => {
    expect(refuse(`routes: [${route}]`)).toContain(problem)
  })

  test('stream and gRPC routes load and are named as not served', () => {
    expect(
      warningsOf('routes: [{protocols: [tcp], sources: [{ip: 10.0.0.0/8, port: 1}]}]'),
    ).toEqual([
      "routes[0].protocols: protocols 'tcp' are not served by this version; this route never matches",
    ])
  })
})

describe('kong.md §1.6 upstreams and targets', () => {
  test('defaults, algorithm by hash input, and what is not served', () => {
    expect(accept('upstreams: [{name: u}]').upstreams[0]).toMatchObject({
      algorithm: 'round-robin',
      slots: 10_000,
      hostHeader: undefined,
      targets: [],
    })
    const text =
      'upstreams: [{name: u, hash_on: ip, healthchecks: {active: {healthy: {interval: 5}}}}]'
    expect(accept(text).upstreams[0]).toMatchObject({
      algorithm: 'consistent-hashing',
      unserved: { hash_on: 'ip', healthchecks: { active: { healthy: { interval: 5 } } } },
    })
    expect(warningsOf(text)).toEqual([
      "upstreams[0].hash_on: algorithm 'consistent-hashing' is not served by this version; targets take turns by weight",
      'upstreams[0].healthchecks: health checks are not served by this version; every target counts as healthy',
    ])
    expect(
      accept('upstreams: [{name: u, hash_on: none, algorithm: consistent-hashing}]').upstreams[0]
        ?.algorithm,
    ).toBe('round-robin')
  })

  test('names, hash rules and counters are judged', () => {
    expect(
      refuse(`
upstreams:
- {name: 1.2.3.4}
- {name: "a:80"}
- {name: c, slots: 9}
- {name: d, hash_on: header}
- {name: e, hash_on: cookie, hash_on_cookie: c, hash_fallback: ip}
- {name: f, hash_on: ip, hash_fallback: ip}
- {name: g, healthchecks: {passive: {unhealthy: {timeouts: 256}}, active: {type: smtp}}}
`),
    ).toEqual([
      'upstreams[0].name: invalid name: no IP addresses allowed',
      'upstreams[1].name: must not have a port',
      'upstreams[2].slots: value should be between 10 and 65536',
      expect.stringContaining(
        "upstreams[3]: failed conditional validation given value of field 'hash_on'",
      ),
      expect.stringContaining(
        "upstreams[4]: failed conditional validation given value of field 'hash_on'",
      ),
      "upstreams[5]: values of these fields must be distinct: 'hash_on', 'hash_fallback'",
      'upstreams[6].healthchecks.passive.unhealthy.timeouts: value should be between 0 and 255',
      'upstreams[6].healthchecks.active.type: expected one of: tcp, http, https, grpc, grpcs',
    ])
  })

  test('a target without a port gets 8000, with a warning', () => {
    const text =
      'upstreams: [{name: u, targets: [{target: h}, {target: "[::1]:9"}, {target: "::2"}]}]'
    expect(accept(text).upstreams[0]?.targets.map(({ host, port }) => [host, port])).toEqual([
      ['h', 8000],
      ['::1', 9],
      ['::2', 8000],
    ])
    expect(warningsOf(text)).toHaveLength(2)
    expect(
      refuse(
        'upstreams: [{name: u, targets: [{target: "a:b"}, {target: "a:70000"}, {target: "a:1", weight: -1}]}]',
      ),
    ).toEqual([
      expect.stringContaining("Invalid target ('a:b')"),
      expect.stringContaining("Invalid target ('a:70000')"),
      'upstreams[0].targets[2].weight: value should be between 0 and 65535',
    ])
  })
})

describe('kong.md §1.6 consumers and credentials', () => {
  test('a consumer needs a name', () => {
    expect(refuse('consumers: [{tags: [a]}]')).toEqual([
      "consumers[0]: at least one of these fields must be non-empty: 'custom_id', 'username'",
    ])
  })

  test('S09 keys are kept as digests, and may be given as such', () => {
    const digest = sha256Hex('my-key')
    const { credentials } = accept(`consumers:
- {username: a, keyauth_credentials: [{key: my-key}]}
- {username: b, keyauth_credentials: [{key_sha256: ${sha256Hex('other').toUpperCase()}}]}`)
    expect(credentials).toMatchObject([
      { kind: 'keyauth_credentials', lookup: digest, expiresAtSeconds: undefined },
      { lookup: sha256Hex('other') },
    ])
    expect(JSON.stringify(credentials)).not.toContain('my-key')
  })

  test('S12 an empty key, both forms, or a digest that is none are refused', () => {
    expect(
      refuse(`consumers:
- username: a
  keyauth_credentials:
  - {key: ""}
  - {key: k, key_sha256: ${'a'.repeat(64)}}
  - {key_sha256: abc}
  - {key: 12345}`),
    ).toEqual([
      'consumers[0].keyauth_credentials[0].key: length must be at least 1',
      "consumers[0].keyauth_credentials[1]: only one or none of these fields must be set: 'key', 'key_sha256'",
      'consumers[0].keyauth_credentials[2].key_sha256: expected the SHA-256 of the key in 64 hexadecimal digits',
      'consumers[0].keyauth_credentials[3].key: expected a string',
    ])
  })

  test('kong.md §1.9 ttl is a date; what looks like a duration is told', () => {
    const now = Date.UTC(2026, 0, 1) / 1000
    const text = (ttl: number) =>
      `consumers: [{username: a, keyauth_credentials: [{key: k, ttl: ${ttl}}]}]`
    expect(accept(text(now + 60)).credentials[0]?.expiresAtSeconds).toBe(now + 60)
    expect(warningsOf(text(now + 60))).toEqual([])
    expect(warningsOf(text(3600))[0]).toMatch(/ttl is a date in Unix seconds, not a duration/)
    expect(warningsOf(text(now - 1))[0]).toMatch(/expired at 2025-12-31T23:59:59/)
  })

  test('a credential without a key is accepted, and told to be useless', () => {
    const text = 'consumers: [{username: a, keyauth_credentials: [{tags: [x]}]}]'
    expect(accept(text).credentials).toHaveLength(1)
    expect(warningsOf(text)[0]).toMatch(/random one that nobody knows/)
  })

  test('_transform decides whether a password is hashed', () => {
    const text = (transform: boolean, password: string) =>
      accept(
        `_transform: ${transform}\nconsumers: [{id: 11111111-2222-4333-8444-555555555555, username: a, basicauth_credentials: [{username: u, password: ${password}}]}]`,
      ).credentials[0]?.digest
    // SHA-1 of `secret11111111-2222-4333-8444-555555555555`.
    const digest = '7ea2bc1ba2dfe8f2ce5b5ac2e1d37ef8ae2e5e3f'
    expect(text(true, 'secret')).toMatch(/^[0-9a-f]{40}$/)
    expect(text(true, 'secret')).not.toBe(text(true, 'other'))
    expect(text(false, digest)).toBe(digest)
  })

  test('jwt_secrets need a public key for public-key algorithms', () => {
    expect(
      refuse(
        'consumers: [{username: a, jwt_secrets: [{key: k, algorithm: RS256}, {key: l, algorithm: HS1}]}]',
      ),
    ).toEqual([
      expect.stringContaining("'rsa_public_key' is required"),
      expect.stringContaining('expected one of: HS256'),
    ])
  })
})

describe('kong.md §1.6 certificates', () => {
  const certificate = (fields: Record<string, unknown>) =>
    `certificates: [${JSON.stringify(fields)}]`

  test('a pair and its server names', () => {
    const { certificates } = accept(
      certificate({
        cert: leafCertificate,
        key: leafKey,
        snis: [{ name: 'a.com' }, { name: '*.b.com' }],
      }),
    )
    expect(certificates).toMatchObject([{ cert: leafCertificate, snis: ['a.com', '*.b.com'] }])
  })

  test('what is no PEM, and what does not fit, is told without quoting it', () => {
    expect(refuse(certificate({ cert: 'nonsense', key: leafKey }))).toEqual([
      'certificates[0].cert: invalid certificate: it cannot be read as PEM',
    ])
    expect(refuse(certificate({ cert: leafCertificate, key: otherKey }))).toEqual([
      'certificates[0]: certificate does not match key',
    ])
  })

  test('an alternative pair is given whole or not at all, and of another type', () => {
    const pair = { cert: leafCertificate, key: leafKey }
    expect(refuse(certificate({ ...pair, cert_alt: leafCertificate }))).toEqual([
      "certificates[0]: all or none of these fields must be set: 'cert_alt', 'key_alt'",
    ])
    expect(refuse(certificate({ ...pair, cert_alt: leafCertificate, key_alt: leafKey }))).toEqual([
      expect.stringContaining(
        'certificates[0]: certificate and alternative certificate need to have different type',
      ),
    ])
  })

  test('server names are unique and well formed', () => {
    const fields = {
      cert: leafCertificate,
      key: leafKey,
      snis: [{ name: 'a.com' }, { name: 'a.com' }, { name: 'a.*.com' }],
    }
    expect(refuse(certificate(fields))).toEqual([
      "certificates[0].snis[1].name: uniqueness violation: 'snis' entity with name set to 'a.com' already declared",
      'certificates[0].snis[2].name: invalid value: a.*.com',
    ])
  })

  test('authorities: one at a time, allowed to sign, in date, given once', () => {
    const authorities = (...certs: string[]) =>
      `ca_certificates: ${JSON.stringify(certs.map((cert) => ({ cert })))}`
    expect(accept(authorities(authority)).caCertificates).toHaveLength(1)
    expect(
      refuse(authorities(`${authority}\n${authority}`, leafCertificate, authority, authority)),
    ).toEqual([
      'ca_certificates[0].cert: please submit only one certificate at a time',
      'ca_certificates[1].cert: certificate does not appear to be a CA because it is missing the "CA" basic constraint',
      expect.stringMatching(
        /^ca_certificates\[3\]\.cert: uniqueness violation: 'ca_certificates' entity with cert_digest set to/,
      ),
    ])
    expect(refuse(authorities(expiredAuthority), { nowMs: Date.UTC(2100, 0, 1) })).toEqual([
      'ca_certificates[0].cert: certificate expired, "Not After" time is in the past',
    ])
  })

  test('a service’s TLS fields point at certificates', () => {
    const id = '11111111-2222-4333-8444-555555555555'
    const { services } = accept(
      `ca_certificates: ${JSON.stringify([{ id, cert: authority }])}\nservices: [{host: h, protocol: https, ca_certificates: [${id}], tls_verify: true}]`,
    )
    expect(services[0]).toMatchObject({ caCertificateIds: [id], tlsVerify: true })
    expect(
      refuse(
        `services: [{host: h, protocol: https, ca_certificates: [${id}], client_certificate: nope}]`,
      ),
    ).toEqual([
      expect.stringContaining("invalid reference 'ca_certificates:"),
      expect.stringContaining("invalid reference 'client_certificate: nope'"),
    ])
  })
})

describe('providers (architecture §4)', () => {
  test('the kind follows a known name; keys are secrets, one or several', () => {
    const { providers, services } = accept(`
providers:
- {name: openai, api_key: one}
- {name: mine, kind: openai-compatible, base_url: "http://127.0.0.1:9000/v1", api_key: [two, three]}
services: [{host: h, provider: mine}]`)
    expect(providers).toMatchObject([
      { name: 'openai', kind: 'openai', baseUrl: undefined },
      { name: 'mine', kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:9000/v1' },
    ])
    expect(providers[1]?.apiKeys.map((one) => one.reveal())).toEqual(['two', 'three'])
    expect(JSON.stringify(providers)).not.toContain('three')
    expect(services[0]?.provider).toBe('mine')
  })

  test.each(['" "', '"key\\n"', '"a b"', '"clé"', '[good, "\\t"]'])(
    'S12, S20 a key that is blank or that no header can carry is refused: %s',
    (key) => {
      expect(refuse(`providers: [{name: openai, api_key: ${key}}]`)).toEqual([
        'providers[0].api_key: not a key: it is blank, or holds characters that no header can carry',
      ])
    },
  )

  test('unknown kinds, unknown providers and empty keys are refused', () => {
    expect(
      refuse(`
providers: [{name: opnai}, {name: a, kind: x}, {name: openai, api_key: ""}, {name: groq, base_url: nope}]
services: [{host: h, provider: missing}]`),
    ).toEqual([
      "providers[0].kind: required field missing: 'opnai' is no known kind of provider",
      expect.stringContaining('providers[1].kind: expected one of: openai, anthropic'),
      'providers[2].api_key: length must be at least 1',
      expect.stringContaining('providers[3].base_url: invalid url'),
      "services[0].provider: invalid reference 'provider: missing' (no such entry in 'providers')",
    ])
  })
})
