"""The engine's errors. A refusal by risk or by a language model is a value, never one of these.

EngineError
  ConfigError             the user's mistake: exit status 2
  ExchangeRefused         the venue said no, finally: never retried
    InsufficientFunds
    InvalidOrder
    AuthenticationFailed
  ExchangeUnavailable     the venue did not answer a read: may be retried
  OutcomeUnknown          a write went out and nobody knows: looked up, never sent again
  StoreUnavailable        the database did not answer
  WorkerUnavailable       another worker did not answer
  ModelInvalid            a model file that must not trade
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of all errors the engine raises itself."""


class ConfigError(EngineError):
    """A mistake in configuration or arguments; the message names field, value and what is allowed."""


class ExchangeRefused(EngineError):
    """The exchange refused for good."""


class InsufficientFunds(ExchangeRefused):
    """The account cannot pay for the order."""


class InvalidOrder(ExchangeRefused):
    """The order breaks the venue's rules (increments, minimum, product flags)."""


class AuthenticationFailed(ExchangeRefused):
    """The credentials were not accepted."""


class ExchangeUnavailable(EngineError):
    """A read failed in transport or with a 5xx; it may be retried."""


class OutcomeUnknown(EngineError):
    """A write was sent and its outcome is not known. It must be looked up, never repeated."""


class StoreUnavailable(EngineError):
    """The database could not be reached or gave up in the middle of a unit of work."""


class WorkerUnavailable(EngineError):
    """A worker-to-worker call failed."""


class ModelInvalid(EngineError):
    """A model that cannot be read, or whose features are not ours."""
