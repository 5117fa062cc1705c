"""Implementations of the ports, one third party each. Foreign exceptions end here, chained."""
