"""Real recorded candles, where this machine has them: the only place that knows the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

MARKET_DIR = Path(__file__).parents[2] / "shared" / "market"


@pytest.fixture(scope="session")
def market_dir() -> Path:
    """Folder of recorded candles beside the repository; without it, tests that need them are skipped."""
    if not MARKET_DIR.is_dir():
        pytest.skip(f"no recorded candles in {MARKET_DIR}")
    return MARKET_DIR
