// Answers IAM questions, a JSON document on each line: may this caller do this? The one file that
// touches the simulator (AGPL-3.0), in a process of its own; nothing of it is shipped.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// Its packages are installed elsewhere: argv[2] is that folder.
const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const { runSimulation, runUnsafeSimulation } = require('@cloud-copilot/iam-simulate')

// The simulator drops keys that hold a name of the caller's, though IAM knows them.
const OPEN_KEYS = 'kms:encryptioncontext:'

async function verdict({ principal, account, policies, boundary, trust, action, resource, context }) {
  const named = (documents) => documents.map((policy, at) => ({ name: `policy-${at}`, policy }))
  const simulation = {
    request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: named(policies),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(trust ? { resourcePolicy: trust } : {}),
    ...(boundary ? { permissionBoundaryPolicies: named([boundary]) } : {}),
  }
  // This one also checks the policies, the action's name, its kind of resource and its context keys.
  const answer = await runSimulation(simulation, {})
  if (answer.resultType !== 'single') return { error: JSON.stringify(answer) }
  const ignored = answer.result.ignoredContextKeys ?? []
  const unknown = ignored.filter((key) => !key.toLowerCase().startsWith(OPEN_KEYS))
  if (unknown.length) return { error: `${action} has no context key ${unknown}` }
  const result = ignored.length ? runUnsafeSimulation(simulation, {}) : answer.overallResult
  return { allowed: result === 'Allowed' }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    answer = await verdict(JSON.parse(line))
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
