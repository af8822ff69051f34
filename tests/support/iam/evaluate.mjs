// Answers IAM questions, a JSON document on each line: may this caller do this, or, what is wrong with
// this policy? The one file that touches the simulator (AGPL-3.0), in a process of its own; nothing of
// it is shipped.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// Its packages are installed elsewhere: argv[2] is that folder.
const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const checks = require('@cloud-copilot/iam-policy')
const { runSimulation } = require('@cloud-copilot/iam-simulate')

// The simulator knows keys with a part of the user's after a slash, but not, as KMS has them, after a
// colon. So it sees these by another name, of the same type, in policies and requests alike.
const renamed = (text) =>
  text.replaceAll('"kms:EncryptionContext:', '"aws:PrincipalTag/kms.EncryptionContext.')

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
  const unknown = answer.result.ignoredContextKeys ?? []
  if (unknown.length) return { error: `${action} has no context key ${unknown}` }
  return { allowed: answer.overallResult === 'Allowed' }
}

const linters = {
  identity: (policy) => [...checks.validateIdentityPolicy(policy), ...checks.lintPolicy(policy)],
  resource: checks.lintResourcePolicy,
  trust: checks.validateTrustPolicy,
}

async function answerTo(question) {
  if (question.lint) return { findings: linters[question.lint](question.policy) }
  return verdict(question)
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    answer = await answerTo(JSON.parse(renamed(line)))
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
