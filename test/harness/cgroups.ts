/** What this machine lets a test have of cgroups. */
import { meansIn } from '../../src/executors/bounds/cgroups.ts'
import { findTrees } from '../../src/executors/bounds/trees.ts'

/** What cgroups enforce here, by the name of the limit. */
export const cgroupMeans = meansIn(findTrees(`job-orchestrator.${process.pid}.`))

/** Why a test that needs cgroups is skipped; `false` where it is not. */
export function lacksCgroups(name: keyof typeof cgroupMeans): string | false {
  return cgroupMeans[name] === undefined && `no cgroup for ${name} may be made here`
}
