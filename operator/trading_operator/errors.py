"""The exceptions of the operator; everything else that is raised is a bug and is loud.

A user's mistake in a resource is a condition on it. Only `InvalidResource` says so by an exception,
and `reconcile` turns it into that condition (`render` into exit status 2).
"""

from __future__ import annotations


class OperatorError(Exception):
    """Base: something the operator knows how to name."""


class InvalidResource(OperatorError):
    """A resource does not fit its kind; the message names field, value and what is allowed."""


class ClusterUnavailable(OperatorError):
    """The API server does not answer, answers 5xx, or asks to slow down (429): wait and try again."""


class ApiRefused(OperatorError):
    """The API server understood a request and said no (a 4xx other than 429; status 0 sums up several)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.status = status
        self.reason = reason


class LeadershipLost(OperatorError):
    """This process may not write any more; it has to end."""


class Deaf(OperatorError):
    """An authoritative list shows what no watch delivered; the process has to end so that a new one listens."""


class NotInstalled(OperatorError):
    """The kinds of this project are not in the cluster."""


class PrometheusUnavailable(OperatorError):
    """Prometheus does not answer, answers 5xx, or with something else than its API: nothing is known."""


class PrometheusRefused(OperatorError):
    """Prometheus understood a request and said no: a query it cannot parse, a configuration it cannot load."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PromtoolMissing(OperatorError):
    """The program that checks configurations cannot be run: nothing unchecked is written."""
