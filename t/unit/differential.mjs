// Holds every verdict of src/oidc/jose.cpp against npm's jose, on valid tokens and on mutations of them.
//   node t/unit/differential.mjs [DRIVER] [ROUNDS]
// Fails where the verdicts differ, unless the case names the rule by which we alone refuse or jose alone does.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
if (!existsSync(join(root, 't/node_modules/jose'))) {
  console.log('differential: skipped, npm ci --prefix t installs jose')
  process.exit(0)
}
const jose = await import('jose')
const driver = process.argv[2] ?? build()
const rounds = Number(process.argv[3] ?? 80)

function build() {
  const out = join(mkdtempSync(join(tmpdir(), 'differential-')), 'driver')
  const sources = ['text', 'crypto', 'jwks', 'jose'].map((name) => `src/oidc/${name}.cpp`)
  const libraries = ['-lcjose', '-ljansson', '-lcrypto']
  const args = ['-std=c++20', '-O1', '-Isrc', 't/unit/differential/driver.cpp', ...sources, ...libraries, '-o', out]
  execFileSync(process.env.CXX ?? 'g++', args, { cwd: root, stdio: 'inherit' })
  return out
}

// A seeded generator: a failure can be run again.
let seed = Number(process.env.SEED ?? 20261121)
function random(limit) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * limit)
}

const b64 = (bytes) => Buffer.from(bytes).toString('base64url')
const encode = (text) => new TextEncoder().encode(text)
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']
const symmetric = ['HS256', 'HS384', 'HS512']
const encryption = ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES']
const secret = encode('0123456789abcdef'.repeat(4))
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \n'

// ---- mutations of a token

function flipBit(token) {
  const parts = token.split('.')
  const at = random(parts.length)
  const bytes = Buffer.from(parts[at], 'base64url')
  if (bytes.length === 0) return token
  bytes[random(bytes.length)] ^= 1 << random(8)
  parts[at] = b64(bytes)
  return parts.join('.')
}
const changeCharacter = (token) => {
  const at = random(token.length)
  return token.slice(0, at) + alphabet[random(alphabet.length)] + token.slice(at + 1)
}
const dropCharacter = (token) => {
  const at = random(token.length)
  return token.slice(0, at) + token.slice(at + 1)
}
const insertCharacter = (token) => {
  const at = random(token.length + 1)
  return token.slice(0, at) + alphabet[random(alphabet.length)] + token.slice(at)
}
const changeLastOfASegment = (token) => {
  const parts = token.split('.')
  const at = random(parts.length)
  parts[at] = parts[at].slice(0, -1) + alphabet[random(64)]
  return parts.join('.')
}
const swapSegments = (token) => {
  const parts = token.split('.')
  const [a, b] = [random(parts.length), random(parts.length)]
  ;[parts[a], parts[b]] = [parts[b], parts[a]]
  return parts.join('.')
}
const resizeSegment = (token) => {
  const parts = token.split('.')
  const at = random(parts.length)
  const bytes = Buffer.from(parts[at], 'base64url')
  parts[at] = b64(random(2) ? bytes.subarray(0, random(bytes.length + 1)) : Buffer.concat([bytes, Buffer.alloc(1 + random(20))]))
  return parts.join('.')
}
const mutations = [flipBit, changeCharacter, dropCharacter, insertCharacter, changeLastOfASegment, swapSegments, resizeSegment]

// W3: jose decodes base64url leniently, so it also accepts other spellings of the same bytes.
const isCanonical = (token) => token.split('.').every((part) => b64(Buffer.from(part, 'base64url')) === part)

// ---- the two judges

async function josesVerdictJws({ token, jwks, algs, secret }) {
  const options = { algorithms: algs }
  if (secret) return jose.compactVerify(token, secret, options)
  try {
    return await jose.compactVerify(token, jose.createLocalJWKSet(jwks), options)
  } catch (error) {
    if (error?.code !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS') throw error
    for await (const key of error) {
      try {
        return await jose.compactVerify(token, key, options)
      } catch {}
    }
    throw new Error('none of several keys')
  }
}
async function josesVerdictJwe({ token, key, algs }) {
  const options = { keyManagementAlgorithms: algs, contentEncryptionAlgorithms: ['A256GCM'] }
  return jose.compactDecrypt(token, await jose.importJWK(key, algs[0]), options)
}
const josesVerdict = (task) => (task.kind === 'jwe' ? josesVerdictJwe(task) : josesVerdictJws(task)).then(() => true, () => false)

function ourVerdicts(tasks) {
  const lines = tasks.map(({ secret, ...task }) => JSON.stringify(secret ? { ...task, secret: b64(secret) } : task))
  const input = lines.join('\n') + '\n'
  return execFileSync(driver, { input, maxBuffer: 2 ** 30 }).toString().trimEnd().split('\n')
}

// ---- the cases: `stricter` names the rule by which we may refuse alone, `lenient` why jose may

const cases = []
const add = (what, task, stricter = null, lenient = null) => cases.push({ what, task, stricter, lenient })
const addMutations = (what, task) => {
  add(what, task)
  for (let i = 0; i < rounds; i++) {
    const token = mutations[i % mutations.length](task.token)
    add(`${what}, ${mutations[i % mutations.length].name}`, { ...task, token }, isCanonical(token) ? null : 'W3')
  }
}

const payload = encode(JSON.stringify({ iss: 'https://fcp.example', sub: 'é', n: 1 }))
const keys = {}
for (const alg of asymmetric) keys[alg] = await jose.generateKeyPair(alg, { extractable: true })
const publicJwk = async (alg, more = {}) => ({ ...(await jose.exportJWK(keys[alg].publicKey)), ...more })
const signed = (alg, header = {}, key = symmetric.includes(alg) ? secret : keys[alg].privateKey) =>
  new jose.CompactSign(payload).setProtectedHeader({ alg, ...header }).sign(key)

// A header as raw text, signed as it stands: what jose's own signer would never write.
async function signedRaw(headerText, bodyText = '{"a":1}') {
  const input = `${b64(headerText)}.${b64(bodyText)}`
  const hash = { name: 'ECDSA', hash: 'SHA-256' }
  return `${input}.${b64(new Uint8Array(await crypto.subtle.sign(hash, keys.ES256.privateKey, encode(input))))}`
}

const everyKey = { keys: await Promise.all(asymmetric.map((alg) => publicJwk(alg, { kid: alg }))) }
for (const alg of asymmetric) {
  const jwks = { keys: [await publicJwk(alg)] }
  addMutations(`${alg}`, { kind: 'jws', token: await signed(alg), jwks, algs: [alg] })
  addMutations(`${alg} among all keys`, { kind: 'jws', token: await signed(alg, { kid: alg }), jwks: everyKey, algs: asymmetric })
  for (const other of asymmetric) {
    const token = await signed(alg, { kid: alg })
    const named = { keys: [await publicJwk(alg, { alg: other })] }
    add(`${alg} where ${other} is allowed`, { kind: 'jws', token, jwks: everyKey, algs: [other] })
    add(`${alg} under a key with alg ${other}`, { kind: 'jws', token, jwks: named, algs: asymmetric })
    const elsewhere = await signed(alg, { kid: other })
    add(`${alg} with the kid of ${other}`, { kind: 'jws', token: elsewhere, jwks: everyKey, algs: asymmetric })
  }
  const token = await signed(alg)
  for (const use of ['sig', 'enc', 'x'])
    add(`${alg}, use=${use}`, { kind: 'jws', token, jwks: { keys: [await publicJwk(alg, { use })] }, algs: [alg] })
  for (const key_ops of [['verify'], ['sign'], ['sign', 'verify'], ['encrypt']]) {
    const task = { kind: 'jws', token, jwks: { keys: [await publicJwk(alg, { key_ops })] }, algs: [alg] }
    const webCrypto = 'it imports no public key that lists sign; RFC 7517 4.3 only wants verify in the list'
    add(`${alg}, key_ops=${key_ops}`, task, null, key_ops.length > 1 ? webCrypto : null)
  }
  add(`${alg} without kid among all keys`, { kind: 'jws', token: await signed(alg), jwks: everyKey, algs: [alg] })
}
for (const alg of symmetric) {
  addMutations(alg, { kind: 'jws', token: await signed(alg), secret, algs: [alg] })
  add(`${alg} where RS256 is allowed`, { kind: 'jws', token: await signed(alg), jwks: everyKey, algs: ['RS256'] })
}

const es256 = { keys: [await publicJwk('ES256')] }
const headers = [
  ['{"alg":"ES256"}'], [' {"alg":"ES256"} '], ['{"alg":"ES256","typ":"JWT","x":{"y":[1]}}'], ['{"alg":"ES256","jwk":{}}'],
  ['{"alg":"ES256","crit":["exp"],"exp":1}'], ['{"alg":"ES256","crit":[]}'], ['{"alg":"ES256","b64":false}', 'W5'],
  ['{"alg":"ES256","b64":false,"crit":["b64"]}', 'W5'], ['{"alg":"ES256","b64":true,"crit":["b64"]}', 'W5'],
  ['{"alg":"ES256","zip":"DEF"}', 'W5'], ['{"alg":"none","alg":"ES256"}', 'W4'], ['{"alg":"none","\\u0061lg":"ES256"}', 'W4'],
  ['{"alg":["ES256"]}'], ['{"alg":null}'], ['{}'], ['[]'], ['"ES256"'], ['null'], ['{"alg":"ES256"}x'], ['{"alg":"es256"}'],
  ['\ufeff{"alg":"ES256"}', 'W4'], ['{"alg":"ES256","kid":7}', 'W4'], ['{"alg":"ES256","kid":"other"}'], ['{"alg":"none"}'],
  ['{"alg":"HS256"}'], [`{"alg":"ES256","x":${'['.repeat(20)}${']'.repeat(20)}}`, 'W4'],
  [`{"alg":"ES256","x":"${'x'.repeat(9000)}"}`, 'W4'],
]
const raw = async (header, body) => ({ kind: 'jws', token: await signedRaw(header, body), jwks: es256, algs: ['ES256'] })
for (const [header, stricter] of headers) add(`header ${header.slice(0, 60)}`, await raw(header), stricter)
add('payload above the cap', await raw('{"alg":"ES256"}', `{"a":"${'x'.repeat(70000)}"}`), 'W1')
add('payload with a repeated member', await raw('{"alg":"ES256"}', '{"a":1,"a":2}'), 'W22')

for (const alg of encryption) {
  const pair = await jose.generateKeyPair(alg, { extractable: true })
  const key = await jose.exportJWK(pair.privateKey)
  const encrypted = (header = {}, parameters = null) => {
    const jwe = new jose.CompactEncrypt(payload).setProtectedHeader({ alg, enc: 'A256GCM', ...header })
    return (parameters ? jwe.setKeyManagementParameters(parameters) : jwe).encrypt(pair.publicKey)
  }
  const task = { kind: 'jwe', key, algs: [alg], plaintext: b64(payload) }
  addMutations(alg, { ...task, token: await encrypted() })
  const franceConnect = await encrypted({ cty: 'JWT', kid: 'k', iss: 'x', aud: 'y' })
  addMutations(`${alg} with the header of FranceConnect+`, { ...task, token: franceConnect })
  for (const other of encryption) add(`${alg} where ${other} is allowed`, { ...task, token: await encrypted(), algs: [other] })
  for (const enc of ['A128GCM', 'A192GCM', 'A128CBC-HS256', 'A256CBC-HS512'])
    add(`${alg} with ${enc}`, { ...task, token: await encrypted({ enc }) })
  if (alg !== 'ECDH-ES') continue
  const parties = { apu: encode('Alice'), apv: encode('Bob') }
  addMutations(`${alg} with apu and apv`, { ...task, token: await encrypted({}, parties) })
  add(`${alg} with apv alone`, { ...task, token: await encrypted({}, { apv: encode('Bob') }) })
}

// ---- the judgement

const ours = ourVerdicts(cases.map(({ task }) => task))
const count = { both_accept: 0, both_refuse: 0, stricter: 0, lenient: 0, wrong: 0 }
for (const [i, { what, task, stricter, lenient }] of cases.entries()) {
  const weAccept = ours[i] === 'accepted'
  const joseAccepts = await josesVerdict(task)
  if (weAccept === joseAccepts) count[weAccept ? 'both_accept' : 'both_refuse']++
  else if (joseAccepts && stricter) count.stricter++
  else if (weAccept && lenient) count.lenient++
  else {
    count.wrong++
    console.error(`${what}: jose ${joseAccepts ? 'accepts' : 'refuses'}, we say "${ours[i]}"\n  ${task.token.slice(0, 300)}`)
  }
}
console.log(`differential: ${cases.length} verdicts`, count)
process.exit(count.wrong === 0 ? 0 : 1)
