import type { Diagnostic, Problem } from '../diagnostics.ts'
import type { Entities } from '../entities.ts'
import type { NodeSettings } from '../node-settings.ts'
import type { WrittenConfiguration } from '../parse-configuration.ts'
import { bodyLimit } from './body-limit.ts'
import { cacheMixesPrompts } from './cache-mixes-prompts.ts'
import { cacheNeverHits } from './cache-never-hits.ts'
import { clientAddress } from './client-address.ts'
import { doubledPath } from './doubled-path.ts'
import { localLimit } from './local-limit.ts'
import { openRoute } from './open-route.ts'
import { plaintextSecret } from './plaintext-secret.ts'
import { providerKey } from './provider-key.ts'
import { readTimeout } from './read-timeout.ts'
import { sharedRedis } from './shared-redis.ts'
import { Subject } from './subject.ts'
import { unconfiguredPlugin } from './unconfigured-plugin.ts'
import { unusedConsumer } from './unused-consumer.ts'

/** One look at a configuration: what its author probably did not mean, and how to say what was meant. */
export type Adviser = (subject: Subject) => readonly Problem[]

/** All advice, by its code. `docs/check.md` has a section for each. */
export const ADVISERS: Readonly<Record<string, Adviser>> = {
  'open-route': openRoute,
  'provider-key': providerKey,
  'cache-never-hits': cacheNeverHits,
  'cache-mixes-prompts': cacheMixesPrompts,
  'doubled-path': doubledPath,
  'local-limit': localLimit,
  'shared-redis': sharedRedis,
  'plaintext-secret': plaintextSecret,
  'unused-consumer': unusedConsumer,
  'read-timeout': readTimeout,
  'body-limit': bodyLimit,
  'client-address': clientAddress,
  'unconfigured-plugin': unconfiguredPlugin,
}

/**
 * What `pratu check` has to say about a configuration that is valid: mistakes that no schema can find. Reads only; a
 * problem that many entities have alike is told once, at the first of them.
 *
 * @param written as `parseConfiguration` gave it with the entities.
 * @returns warnings (it does not do what was meant) and advice, in the order of the files.
 */
export function adviseOn(
  entities: Entities,
  settings: NodeSettings,
  written: WrittenConfiguration,
): readonly Diagnostic[] {
  const subject = new Subject(entities, settings, written)
  return written.diagnose(Object.values(ADVISERS).flatMap((adviser) => adviser(subject)))
}
