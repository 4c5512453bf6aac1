// Keys and tokens as npm's jose makes them: node jose.mjs ALGORITHM KID CLAIMS  →  {"public", "pem", "token"}
import {SignJWT, exportJWK, exportPKCS8, generateKeyPair} from 'jose'

const [algorithm, kid, claims] = process.argv.slice(2)
const {publicKey, privateKey} = await generateKeyPair(algorithm, {extractable: true})
const token = await new SignJWT(JSON.parse(claims)).setProtectedHeader({alg: algorithm, kid}).sign(privateKey)
const jwk = {...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig'}
console.log(JSON.stringify({public: jwk, pem: await exportPKCS8(privateKey), token}))
