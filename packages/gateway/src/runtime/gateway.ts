import { randomUUID } from 'node:crypto'
import type { Clock } from '@pratu/plugin-kit'
import { createHealthHandler, HEALTH_PATHS } from '../admin/index.ts'
import type { DrainSettings, ListenAddress, NodeSettings } from '../config/index.ts'
import { createCounterTable } from '../limits/index.ts'
import {
  createAccessLog,
  createLagMonitor,
  createMetrics,
  createMetricStorage,
  createNoAccessLog,
  Redactor,
  registerNodeMetrics,
  type Logger,
  type LogSink,
} from '../observe/index.ts'
import { AdminServer } from './admin-server.ts'
import { ConfigurationStore, type Origin, type ReloadFailure } from './configuration-store.ts'
import { drain } from './drain.ts'
import { LocalFleet, type Fleet } from './fleet.ts'
import { openLogs, type NodeLogs } from './node-logs.ts'
import { loadPlugins } from './plugin-modules.ts'
import { Serving } from './serving.ts'
import { systemClock } from './system-clock.ts'
import { PRATU_VERSION } from './version.ts'
import { ConfigurationWatch } from './watch.ts'
import { WorkerFleet } from './workers/index.ts'
