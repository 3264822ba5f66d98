import type { BatchProgress } from '@pratu/client'

export interface ProgressDisplay {
  show(progress: BatchProgress): void
  /** Leaves the last state standing. */
  end(): void
}

const BAR_WIDTH = 30
const REDRAW_MS = 100
const LINE_EVERY_MS = 10_000

/** A bar on a terminal; elsewhere a line now and then, so that logs stay readable. */
export function createProgress(
  stream: { readonly isTTY?: boolean; write(text: string): unknown },
  now: () => number = () => performance.now(),
): ProgressDisplay {
  const isTerminal = stream.isTTY === true
  const everyMs = isTerminal ? REDRAW_MS : LINE_EVERY_MS
  const startedAt = now()
  let shownAt = isTerminal ? Number.NEGATIVE_INFINITY : startedAt
  let latest: BatchProgress | undefined
  const draw = (progress: BatchProgress): void => {
    const text = progressText(progress, now() - startedAt)
    stream.write(isTerminal ? `\r\x1b[2K${text}` : `${text}\n`)
  }
  return {
    show(progress) {
      latest = progress
      if (now() - shownAt < everyMs) return
      shownAt = now()
      draw(progress)
    },
    end() {
      if (!isTerminal || latest === undefined) return
      draw(latest)
      stream.write('\n')
      latest = undefined
    },
  }
}

/** `[████░░░░] 4,000/10,000 40 % · 50 under way · 230/s · 0:26 left`, and what went wrong. */
export function progressText(progress: BatchProgress, elapsedMs: number): string {
  const { total, succeeded, failed, inFlight, limit, rateLimited } = progress
  const done = succeeded + failed
  const share = total === 0 ? 1 : done / total
  const filled = Math.floor(share * BAR_WIDTH)
  const perSecond = elapsedMs > 0 ? (done / elapsedMs) * 1_000 : 0
  const parts = [
    `[${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}] ${done}/${total} ${Math.floor(share * 100)} %`,
    `${inFlight} of ${limit} under way`,
    `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s`,
    ...(perSecond > 0 && done < total ? [`${clockText((total - done) / perSecond)} left`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(rateLimited > 0 ? [`${rateLimited} × 429`] : []),
  ]
  return parts.join(' · ')
}

function clockText(seconds: number): string {
  const whole = Math.ceil(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
