"""What one reconcile saw of the world: `cluster.gather` fills it, `desired`, `plan` and `checks` read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trading_engine.contract.messages import TradingStateReport

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class StackState:
    """What became of the configuration that all engines and targets share.

    `engines` are the uids of those that it was made for: of another it says nothing. Every other field but `loaded` and
    `tells` is a problem in words, "" or empty where there is none: `unchecked` says why nothing could
    be checked, `invalid` what the checker or Prometheus says is wrong (the last good configuration stays), `refused`
    what could not be written, `unreachable` why Prometheus could not be asked. `loaded` is whether Prometheus says that
    it has loaded this configuration. `quarantined` has what was left out, by name, and why. `tells` is whether
    Alertmanager says that it has loaded its own, `untold` why it has not.
    """

    engines: frozenset[str] = frozenset()
    loaded: bool = False
    tells: bool = False
    untold: str = ""
    unchecked: str = ""
    invalid: str = ""
    refused: tuple[str, ...] = ()
    unreachable: str = ""
    quarantined: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Observed:
    """One engine's world at one moment.

    `objects` are those that carry our label and the engine's mark, where an engine may have any, without its `pods`;
    `strays` carry both in other namespaces: left from another setting, or somebody else's; they only ever go.
    `user_secrets` the Secrets that the spec names and that exist, by name. `trading` is what the executor
    acknowledged, None where it could not be asked; then `trading_problem` says why. `refused` is what
    the API server refused of the plan just written, in words; `held_back` names what a suspended engine's plan
    would have touched. `stack` is None until the shared configuration was looked at; `unscraped` are the annotated
    Services of the engine's namespace that Prometheus cannot scrape, in words; `absent` names the optional kinds that
    the cluster does not know.
    """

    objects: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    strays: tuple[Manifest, ...] = ()
    user_secrets: Mapping[str, Manifest] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    trading: TradingStateReport | None = None
    trading_problem: str = ""
    refused: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    stack: StackState | None = None
    unscraped: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()
