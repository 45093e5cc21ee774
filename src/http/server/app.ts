/** The server's HTTP API. */
import type { Log } from '../../log.ts'
import type { AdmitContext } from '../../server/admit.ts'
import type { DownloadContext } from '../../server/download.ts'
import type { HealthContext } from '../../server/health.ts'
import type { Terminator } from '../../server/terminate.ts'
import type { UploadContext } from '../../server/upload.ts'
import type { JobWatch } from '../../server/watch.ts'
import { JobDetails, ServerHealth } from '../../domain/protocol.ts'
import type { Tls } from '../../trust/certificates.ts'
import type { Current } from '../../trust/from-files.ts'
import { createApp } from '../app.ts'
import type { App } from '../app.ts'
import { describeRoutes } from '../document.ts'
import { guardDoors, tokenScheme } from './doors.ts'
import { downloadRoutes } from './download.ts'
import { healthRoutes } from './health.ts'
import { jobRoutes } from './jobs.ts'
import { pageRoutes } from './page.ts'
import { terminateRoute } from './terminate.ts'
import { uploadRoute } from './upload.ts'

export type ServerSteps = UploadContext &
  DownloadContext &
  HealthContext &
  AdmitContext & {
    readonly terminator: Pick<Terminator, 'terminate'>
    readonly watch: JobWatch
    readonly maxUploadSizeBytes: number
    readonly headersTimeoutMs: number
    readonly bodyTimeoutMs: number
    readonly version: string
    /** What it listens with. */
    readonly tls: Current<Tls>
    readonly log: Log
  }

export async function createServerApp(steps: ServerSteps): Promise<App> {
  // Applications prove who they are otherwise than by certificates.
  const secure = { tls: steps.tls, demandsCertificate: false }
  const app = createApp(steps.log, { secure, headersTimeoutMs: steps.headersTimeoutMs })
  app.addSchema(JobDetails)
  app.addSchema(ServerHealth)
  guardDoors(app, steps)
  await describeRoutes(app, {
    title: 'job-orchestrator server',
    description: 'Takes jobs, runs them on compute nodes, and brings the results back.',
    version: steps.version,
    securitySchemes: { token: tokenScheme },
    tags: [
      { name: 'jobs', description: 'The life of a job' },
      { name: 'operation', description: 'For operators and monitors' },
    ],
  })
  pageRoutes(app)
  healthRoutes(app, steps)
  uploadRoute(app, steps)
  downloadRoutes(app, steps)
  terminateRoute(app, steps)
  jobRoutes(app, steps)
  return app
}
