"""The one exception that `__main__` turns into a message without a traceback."""


class ClusterError(Exception):
    """Something outside this program is missing or failed; the text says what to do."""
