"""The end of the process: what is said of it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from trading_operator.run import at_the_end


def test_generators_are_closed_quietly_when_the_loop_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Two generators closed at once, as kopf leaves them, are no bug of ours; a lost exception is."""

    async def main() -> None:
        async def watch():
            try:
                yield 1
            finally:
                raise RuntimeError("closed already")

        asyncio.get_running_loop().set_exception_handler(at_the_end)
        left = watch()
        await anext(left)
        keep.append(left)

    keep: list[object] = []
    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(main())
        assert caplog.records == []
        loop = asyncio.new_event_loop()
        at_the_end(loop, {"message": "Task exception was never retrieved"})
        loop.close()
    assert [each.getMessage() for each in caplog.records] == ["Task exception was never retrieved"]
