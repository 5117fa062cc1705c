"""Pure rules of the engine: no clock, no I/O, Decimal for money."""
