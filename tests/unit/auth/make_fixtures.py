#!/usr/bin/python3
"""Writes fixtures.h: keys, and tokens that another implementation (python3-jwt) made with them.

Run it only to change the fixtures; private keys are made anew each time and thrown away:
    tests/unit/auth/make_fixtures.py > tests/unit/auth/fixtures.h
"""
import base64
import json

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

SECRET = "an-example-secret-of-some-40-bytes-in-all"
CLAIMS = {"user_id": 42, "email": "ann@example.com", "role": "admin", "type": "access", "exp": 33000000000}
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, length: int = 0) -> str:
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def pem(key) -> str:
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def rsa_jwk(key, **more) -> dict:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **more}


def ec_jwk(key, **more) -> dict:
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32), **more}


def ed_jwk(key, **more) -> dict:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw), **more}


def token(key, algorithm: str, kid: str | None = None) -> str:
    return jwt.encode(CLAIMS, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def signed(algorithm: str, sign) -> str:
    """A token whose signature is sign(text), for what python3-jwt would not make."""
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, CLAIMS))
    return text + "." + base64url(sign(text.encode()))


def emit(name: str, text: str) -> None:
    print(f"#define {name} \\")
    pieces = text.splitlines(keepends=True) if "\n" in text else [text[i:i + 96] for i in range(0, len(text), 96)]
    print(" \\\n".join("\t" + json.dumps(piece, ensure_ascii=True) for piece in pieces))
    print()


def main() -> None:
    rsa_a, rsa_b = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    weak = rsa.generate_private_key(65537, 1024)
    ec_a, ec_b = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    p384 = ec.generate_private_key(ec.SECP384R1())
    ed_a, ed_b = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))

    print("/* Made by make_fixtures.py; not to be edited. */")
    print("#ifndef EVENTLY_TESTS_UNIT_AUTH_FIXTURES_H\n#define EVENTLY_TESTS_UNIT_AUTH_FIXTURES_H\n")
    for algorithm in ("HS256", "HS384", "HS512"):
        emit(f"TOKEN_{algorithm}", token(SECRET, algorithm))
    for name, key in (("RSA", rsa_a), ("RSA_OTHER", rsa_b), ("RSA_WEAK", weak), ("P256", ec_a), ("P384", p384),
                      ("ED25519", ed_a)):
        emit(f"PEM_{name}", pem(key))
    emit("PEM_PRIVATE", private_pem(ed_b))
    for algorithm, a, b in (("RS256", rsa_a, rsa_b), ("PS256", rsa_a, rsa_b), ("ES256", ec_a, ec_b),
                            ("EDDSA", ed_a, ed_b)):
        jose_name = "EdDSA" if algorithm == "EDDSA" else algorithm
        emit(f"TOKEN_{algorithm}", token(a, jose_name))
        emit(f"TOKEN_{algorithm}_KID_A", token(a, jose_name, "a"))
        emit(f"TOKEN_{algorithm}_KID_B", token(b, jose_name, "b"))
        emit(f"TOKEN_{algorithm}_KID_C", token(a, jose_name, "c"))
        emit(f"TOKEN_{algorithm}_WRONG_KID", token(a, jose_name, "b"))

    mixed = [rsa_jwk(rsa_a, kid="a", use="sig"), ec_jwk(ec_a, kid="a", key_ops=["verify"]), ed_jwk(ed_a, kid="a"),
             rsa_jwk(rsa_b, kid="b", x5c=["ignored"]), ec_jwk(ec_b, kid="b", alg="ES256"), ed_jwk(ed_b, kid="b", alg="EdDSA"),
             rsa_jwk(rsa_a, kid="c", use="enc"), ec_jwk(ec_a, kid="c", alg="ECDH-ES"),
             ed_jwk(ed_a, kid="c", key_ops=["sign"]), {"kty": "future", "kid": "c"}]
    emit("JWKS", json.dumps({"keys": mixed}))
    emit("JWKS_WEAK", json.dumps({"keys": [rsa_jwk(weak, kid="weak"), rsa_jwk(rsa_a, kid="a")]}))
    emit("JWKS_PRIVATE", json.dumps({"keys": [ec_jwk(ec_a, kid="a", d=number(1, 32))]}))
    emit("JWKS_SYMMETRIC", json.dumps({"keys": [rsa_jwk(rsa_a), {"kty": "oct", "k": base64url(SECRET.encode())}]}))
    numbers = ec_a.public_key().public_numbers()
    emit("JWKS_OFF_CURVE", json.dumps({"keys": [{**ec_jwk(ec_a), "y": number(numbers.y ^ 1, 32)}]}))
    emit("JWKS_SHORT_COORDINATE", json.dumps({"keys": [{**ec_jwk(ec_a), "y": base64url(bytes(31))}]}))
    emit("JWKS_EXPONENT_ONE", json.dumps({"keys": [{**rsa_jwk(rsa_a), "e": "AQ"}]}))
    emit("JWKS_PADDED", json.dumps({"keys": [{**ed_jwk(ed_a), "x": ed_jwk(ed_a)["x"] + "="}]}))
    emit("JWKS_NO_MODULUS", json.dumps({"keys": [{"kty": "RSA", "e": "AQAB"}]}))
    emit("JWKS_KID_NUMBER", json.dumps({"keys": [ed_jwk(ed_a, kid=7)]}))

    # The public key taken for an HMAC secret (RFC 8725 section 2.1).
    import hmac
    for name, key in (("RSA", rsa_a), ("P256", ec_a), ("ED25519", ed_a)):
        emit(f"CONFUSED_{name}", signed("HS256", lambda text: hmac.digest(pem(key).encode(), text, "sha256")))
    emit("PS256_SALT_20", signed("PS256", lambda text: rsa_a.sign(
        text, padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())))
    emit("RS256_AS_PS256", signed("PS256", lambda text: rsa_a.sign(text, padding.PKCS1v15(), hashes.SHA256())))
    emit("RS256_SHA512", signed("RS256", lambda text: rsa_a.sign(text, padding.PKCS1v15(), hashes.SHA512())))
    emit("ES256_DER", signed("ES256", lambda text: ec_a.sign(text, ec.ECDSA(hashes.SHA256()))))
    emit("ES256_ZERO", signed("ES256", lambda text: bytes(64)))

    def long_raw(text: bytes) -> bytes:
        r, s = utils.decode_dss_signature(ec_a.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(33, "big") + s.to_bytes(33, "big")

    def scalar_plus_order(text: bytes) -> bytes:
        signature = ed_a.sign(text)
        scalar = int.from_bytes(signature[32:], "little") + ED25519_ORDER
        return signature[:32] + scalar.to_bytes(32, "little")

    emit("ES256_LONG", signed("ES256", long_raw))
    emit("EDDSA_MALLEABLE", signed("EdDSA", scalar_plus_order))
    print("#endif")


main()
