"""What must be known of the cluster before objects can be desired: Secrets that are generated once.

`cluster.gather` reads; `inputs_from` (pure, given a source of new secrets) keeps what is there and makes
what is missing. Builders take the values.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trading_operator.api.v1alpha1 import MonitoringTarget, TradingEngine
from trading_operator.desired import names
from trading_operator.desired.labels import is_owned_by


@dataclass(frozen=True)
class Inputs:
    """Values that builders need beside the spec. `repr` shows none of them.

    `passwords` are those of the database that we run, empty where the user brings one; then `collector_url`
    is the key of that name in the user's Secret, None where it lacks it (and no collector is desired). `targets` are
    the MonitoringTargets that people declared in the engine's namespace.
    """

    token: str = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    collector_url: str | None = field(default=None, repr=False)
    targets: tuple[MonitoringTarget, ...] = field(default=(), repr=False)


def inputs_from(
    engine: TradingEngine,
    observed: Iterable[Mapping[str, Any]],
    user_secrets: Mapping[str, Mapping[str, Any]],
    new_secret: Callable[[], str],
) -> Inputs:
    """Inputs from observed objects and the user's Secrets by name (as the API server holds them).

    A generated value that is already there is kept; `new_secret` is called for each that is not. It must
    return text of letters, digits, `-` and `_` only (`secrets.token_urlsafe`).
    """
    kept = {
        each["metadata"]["name"]: plain(each)
        for each in observed
        if each["kind"] == "Secret"
        and each["metadata"].get("namespace") == engine.namespace
        and is_owned_by(engine, each)
    }
    token = kept.get(names.token_secret(engine), {}).get(names.TOKEN_KEY) or new_secret()
    if engine.spec.database.secret_ref:
        return Inputs(token, {}, _collector_url(engine, user_secrets))
    stored = kept.get(names.database_secret(engine), {})
    return Inputs(token, {key: stored.get(key) or new_secret() for key in names.PASSWORD_KEYS})


def _collector_url(engine: TradingEngine, user_secrets: Mapping[str, Mapping[str, Any]]) -> str | None:
    reference = engine.spec.database.secret_ref
    if reference is None or reference.name not in user_secrets:
        return None
    return plain(user_secrets[reference.name]).get(names.COLLECTOR_URL_KEY) or None


def plain(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's data as text; a value that is not text in base64 is left out, so that it is replaced."""
    found = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
