"""Boards and alert rules, built from the engine's metric catalogue."""
