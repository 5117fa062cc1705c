"""The trading engine: five workers and the collectors that turn candles into orders."""
