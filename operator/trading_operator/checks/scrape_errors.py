"""What Prometheus says of failed scrapes -> reasons, grouped with counts. Pure; `checks/target.py` calls it.

The texts are those of Prometheus 2.53, recorded from the real one (`tests/operator/recorded`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from trading_operator.api.v1alpha1.monitoring_target import MAX_ERRORS, ScrapeErrors
from trading_operator.checks.reasons import Reason

#: Tried in this order: what an exporter answered is quoted last, so it cannot pass for something else.
_KINDS: Final = (
    (Reason.HTTP_STATUS, re.compile(r"^server returned HTTP status ")),
    (Reason.SAMPLE_LIMIT, re.compile(r"^[a-z_ ]*limit exceeded")),
    (Reason.BAD_EXPOSITION, re.compile(r"while parsing:|Content-Type|# EOF|^strconv\.|^invalid ")),
    (Reason.TIMEOUT, re.compile(r"context deadline exceeded|i/o timeout|connection timed out")),
    (Reason.CONNECTION_REFUSED, re.compile(r"connect: connection refused$")),
)
#: With these the text is partly the exporter's own, and may be another one at every scrape.
VOLATILE: Final = frozenset({Reason.BAD_EXPOSITION, Reason.SCRAPE_FAILED})
#: What differs from endpoint to endpoint.
_WHERE: Final = re.compile(r'^(Get|Post) "[^"]*": |dial tcp [^ ]+: |connect: (?=connection )|^server returned ')
_QUOTED: Final = re.compile(r" while parsing: .*", re.DOTALL)
_LONGEST: Final = 300


def reason_of(error: str) -> Reason:
    """Why a scrape failed."""
    return next((reason for reason, pattern in _KINDS if pattern.search(error)), Reason.SCRAPE_FAILED)


def words_of(error: str) -> str:
    """What Prometheus says, without what differs from endpoint to endpoint."""
    return _WHERE.sub("", _QUOTED.sub("", error))[:_LONGEST]


def grouped(failures: Iterable[tuple[str, str]]) -> tuple[ScrapeErrors, ...]:
    """Failing scrapes as (URL, error) -> the largest groups first."""
    urls: defaultdict[tuple[Reason, str], list[str]] = defaultdict(list)
    for url, error in failures:
        urls[reason_of(error), words_of(error)].append(url)
    groups = [
        ScrapeErrors(reason=reason.value, message=words, count=len(found), example=min(found)[:512])
        for (reason, words), found in urls.items()
    ]
    return tuple(sorted(groups, key=lambda each: (-each.count, each.message))[:MAX_ERRORS])
