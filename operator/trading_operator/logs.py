"""JSON log lines on stderr, for the operator's own words and kopf's alike."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson


class JsonLines(logging.Formatter):
    """One record, one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without the newline."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def configure(level: str) -> None:
    """Log to stderr from a level on; of libraries only what is at least a warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("trading_operator").setLevel(level)


def fatal(error: Exception) -> None:
    """The last line of a process that ends because of an error it knows how to name."""
    logging.getLogger("trading_operator").critical("%s: %s", type(error).__name__, error)
