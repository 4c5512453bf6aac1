"""Tokens as other services issue them (PyJWT), and as attackers build them (by hand)."""

import base64
import hashlib
import hmac
import json
import time

import jwt

SECRET = "a-secret-of-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"  # 64 bytes and more: fits HS512
ADMIN_ID = 1
USER_ID = 2


def claims(role="user", user_id=USER_ID, minutes=60, **more):
    value = {
        "user_id": user_id,
        "email": f"user{user_id}@example.org",
        "role": role,
        "exp": int(time.time() + minutes * 60),
    }
    value.update(more)
    return {name: item for name, item in value.items() if item is not ...}  # ... takes a claim away


def token(role="user", user_id=USER_ID, minutes=60, secret=SECRET, algorithm="HS256", headers=None, **more):
    return jwt.encode(claims(role, user_id, minutes, **more), secret, algorithm=algorithm, headers=headers)


def admin(user_id=ADMIN_ID, **more):
    return token("admin", user_id, **more)


def user(user_id=USER_ID, **more):
    return token("user", user_id, **more)


def base64url(data):
    if isinstance(data, str):
        data = data.encode("utf-8")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def sign(signing_input, secret=SECRET, digest=hashlib.sha256):
    return base64url(hmac.new(secret.encode(), signing_input.encode(), digest).digest())


def raw(header, payload, secret=SECRET):
    """A token of these exact JSON texts (or values), rightly signed with HS256."""
    header = header if isinstance(header, (str, bytes)) else json.dumps(header)
    payload = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    signing_input = base64url(header) + "." + base64url(payload)
    return signing_input + "." + sign(signing_input, secret)
