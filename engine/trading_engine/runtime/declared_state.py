"""The declared trading state as a file, for an executor that starts while nobody is there to tell it.

The operator keeps the file in step with `spec.tradingState`; `wiring` hands it to the red button. What
cannot be read might be a halt, so it is one, until the operator says otherwise.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import DECLARED_BY, TradingStateChange
from trading_engine.runtime.calls import explain


def declared_state(file: Path | None) -> TradingStateChange | None:
    """What the file declares; Halted, with the reason, where it cannot be read; None where no file is configured."""
    if file is None:
        return None
    try:
        return TradingStateChange.model_validate_json(file.read_bytes())
    except OSError as error:
        return _halted(f"{file}: cannot be read: {error.strerror}")
    except ValidationError as error:
        return _halted(f"{file}: {explain(error)}")


def _halted(why: str) -> TradingStateChange:
    return TradingStateChange(state=TradingState.HALTED, who=DECLARED_BY, why=why[:500])
