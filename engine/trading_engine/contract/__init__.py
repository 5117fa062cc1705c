"""What the engine promises to everybody else: configuration, messages, metrics, workers and ports.

A leaf: it imports pydantic and the standard library only, so the operator and the dashboards
can depend on it without carrying the engine's own dependencies.
"""
