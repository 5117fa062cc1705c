"""docs/reference/alerts.md: every alert with its defaults, and how to change them. `tools.generate` writes it."""

from __future__ import annotations

from trading_dashboards.alerts import ALERTS, Alert
from trading_dashboards.inhibitions import INHIBITIONS, Inhibition

_HEAD = """# Alerts

Generated from `dashboards/trading_dashboards/alerts.py` by `make generate`.

Every TradingEngine that is scraped has rules of its own over the series of its own Services. A threshold is a number
above 0 in the unit that the table names; what is not written stays as it is here:

```yaml
spec:
  observability:
    alerts:
      - {name: QueueGrowing, threshold: "20", severity: Critical, forSeconds: 60}
      - {name: NoTrades, enabled: true, threshold: "43200"}
      - {name: OrderPrecisionErrors, enabled: false}
```

| alert | severity | for | threshold | what it says |
| --- | --- | --- | --- | --- |
"""
_QUIET = """
## Who keeps whom quiet

A cause is told, its symptoms are not: while one of the left fires, those of the right for the same engine (and where it
says so for the same service or symbol) are kept back by Alertmanager.

| while one of these fires | these are not told | of the same |
| --- | --- | --- |
"""


def reference() -> str:
    """The page, as Markdown."""
    return _HEAD + "".join(map(_row, ALERTS)) + _QUIET + "".join(map(_inhibition, INHIBITIONS))


def _row(alert: Alert) -> str:
    name = f"[{alert.name}](../runbooks/{alert.name}.md)" + ("" if alert.enabled else " (off by default)")
    threshold = f"{alert.threshold} {alert.unit}" if alert.threshold else ""
    waits = f"{alert.waits} s" if alert.waits else ""
    text = alert.description.replace("{{ $value | humanizeDuration }}", "N").replace("{{ $value | humanize }}", "N")
    for label in ("namespace", "service", "symbol", "name", "job"):
        text = text.replace(f"{{{{ $labels.{label} }}}}", f"*{label}*")
    return f"| {name} | {alert.severity} | {waits} | {threshold} | {text} |\n"


def _inhibition(each: Inhibition) -> str:
    return f"| {', '.join(each.causes)} | {', '.join(each.symptoms)} | {', '.join(('engine', *each.also))} |\n"
