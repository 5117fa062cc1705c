"""The venue's memory as one JSON file, so that a restart keeps orders, balances and the tape's place.

Called by `exchange` after whatever changed something, and by `command` at start.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from trading_engine.errors import ConfigError
from trading_engine.simulator.ledger import Ledger
from trading_engine.simulator.orders import Order
from trading_engine.simulator.venue import Venue


def load(path: Path | None) -> dict[str, Any]:
    """What was saved; empty when nothing was.

    Raises:
        ConfigError: the file is there and is not ours.
    """
    if path is None or not path.exists():
        return {}
    try:
        saved: dict[str, Any] = json.loads(path.read_text())
        return {"anchor_minute": int(saved["anchor_minute"]), **saved}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--state {path}: not a state file of this simulator: {error!r}") from error


def restore(venue: Venue, saved: dict[str, Any]) -> None:
    """Put saved orders and balances back.

    Raises:
        ConfigError: an order is of a product that is not served any more.
    """
    if not saved:
        return
    venue.ledger = Ledger.from_json(saved["ledger"])
    venue.posts = Counter(saved["posts"])
    venue.looked_ms = saved["looked_ms"]
    venue.orders = {data["order_id"]: Order.from_json(data) for data in saved["orders"]}
    strange = {order.product_id for order in venue.orders.values()} - venue.products.keys()
    if strange:
        raise ConfigError(f"--state: has orders of {', '.join(sorted(strange))}, which is not served; use another file")


def save(path: Path, venue: Venue, anchor_minute: int) -> None:
    """Write the whole state, atomically: a reader or a crash sees the old file or the new one."""
    data = {
        "anchor_minute": anchor_minute,
        "looked_ms": venue.looked_ms,
        "ledger": venue.ledger.to_json(),
        "posts": dict(venue.posts),
        "orders": [order.to_json() for order in venue.orders.values()],
    }
    new = path.with_name(path.name + ".new")
    with new.open("w") as file:
        json.dump(data, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
