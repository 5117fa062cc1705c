"""The operator: turns TradingEngine and MonitoringTarget resources into what runs and what observes it."""
