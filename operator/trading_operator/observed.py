"""What one reconcile saw of the world: `cluster.gather` fills it, `desired`, `plan` and `checks` read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trading_engine.contract.messages import TradingStateReport

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Observed:
    """One engine's world at one moment.

    `objects` are those that carry our label and the engine's mark, where an engine may have any, without its `pods`;
    `strays` carry both in other namespaces: left from another setting, or somebody else's; they only ever go.
    `user_secrets` the Secrets that the spec names and that exist, by name. `trading` is what the executor
    acknowledged, None where it could not be asked; then `trading_problem` says why. `refused` is what
    the API server refused of the plan just written, in words; `held_back` names what a suspended engine's plan
    would have touched.
    """

    objects: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    strays: tuple[Manifest, ...] = ()
    user_secrets: Mapping[str, Manifest] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    trading: TradingStateReport | None = None
    trading_problem: str = ""
    refused: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
