"""The reference names every metric once, with the panels that draw it."""

from __future__ import annotations

from trading_dashboards.metric_reference import reference
from trading_dashboards.series import FOREIGN
from trading_engine.contract.metrics import CATALOGUE


def rows() -> dict[str, str]:
    """First cell -> the row."""
    lines = [line for line in reference().splitlines() if line.startswith("| ")]
    return {line.split(" | ")[0].strip("| `"): line for line in lines}


def test_every_metric_has_a_row_that_says_where_it_is_drawn() -> None:
    """Kind, help and at least one panel."""
    table = rows()
    for metric in CATALOGUE:
        row = table[metric.name]
        assert f"| {metric.kind} |" in row
        assert metric.help in row
        assert row.rstrip(" |").split(" | ")[-1].startswith(("crypto-trading-", "unified-crypto-system "))


def test_panels_of_a_metric_are_its_own() -> None:
    """A name that another begins with is not the other."""
    assert rows()["pending_recommendations"].endswith("| crypto-trading-engine 106 |")
    assert "304" not in rows()["pending_recommendations"]


def test_series_of_others_stand_with_their_job() -> None:
    """Each where it is exported."""
    table = rows()
    for foreign in FOREIGN:
        assert all(f"`{name}`" in table[foreign.job] for name in foreign.names.split())
    assert "node_cpu" not in table["kube-apiserver"]
