"""Whether a request carries a bearer as Coinbase asks for one: an ES256 JWT of 120 s for this very request.

Called by `exchange` for private endpoints. No key of the sender is known here, so the signature's
length is checked, not its maths.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

LIFE_SECONDS: Final = 120
SKEW_SECONDS: Final = 30
_SIGNATURE_BYTES: Final = 64  # r and s of P-256


def flaw(authorization: str, method: str, path: str, now_seconds: float) -> str | None:
    """What is wrong with the header `Authorization`; None when it is in order."""
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or token.count(".") != 2:
        return "no bearer token of three parts"
    try:
        header_part, claims_part, signature_part = token.split(".")
        header, claims = json.loads(_decoded(header_part)), json.loads(_decoded(claims_part))
        return (
            _malformed(header, claims, _decoded(signature_part))
            or _stale(claims, now_seconds)
            or _foreign(claims, method, path)
        )
    except (ValueError, TypeError, AttributeError, KeyError):  # binascii.Error is a ValueError
        return "not a JWT"


def _malformed(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> str | None:
    if header.get("alg") != "ES256" or not header.get("kid") or not header.get("nonce"):
        return "header needs alg ES256, kid and nonce"
    if claims.get("sub") != header["kid"] or not claims.get("iss"):
        return "claims need iss, and sub equal to kid"
    if len(signature) != _SIGNATURE_BYTES:
        return "signature is not one of P-256"
    return None


def _stale(claims: dict[str, Any], now: float) -> str | None:
    not_before, expires = float(claims["nbf"]), float(claims["exp"])
    if not not_before - SKEW_SECONDS <= now <= expires or expires - not_before > LIFE_SECONDS:
        return "expired, not yet valid, or longer than 120 s"
    return None


def _foreign(claims: dict[str, Any], method: str, path: str) -> str | None:
    verb, _, address = str(claims.get("uri")).partition(" ")
    return None if verb == method and address.endswith(path) else "uri is of another request"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
