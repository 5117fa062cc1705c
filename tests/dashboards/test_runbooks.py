"""Every alert has a runbook of four parts; what is to be typed from it is well formed and about things that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.alert_scenarios import PLACES
from trading_dashboards.alert_names import AlertName
from trading_dashboards.check import problems
from trading_engine.contract.workers import WORKERS

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

VERBS = {"get", "describe", "logs", "patch", "wait", "rollout", "delete", "exec", "port-forward"}
KINDS = {
    "tradingengine", "monitoringtarget", "monitoringtargets", "pods", "service", "endpointslices", "jobs", "lease",
    "configmap", "svc", "deployment", "daemonset",
}  # fmt: skip
NAMESPACES = {"crypto-trading", "crypto-collectors", "monitoring", "trading-operator-system"}


def blocks(page: Path, language: str) -> list[str]:
    """Lines of all blocks of a language in a page."""
    found = (text for name, text in BLOCK.findall(page.read_text()) if name == language)
    return [line for text in found for line in text.splitlines() if line.strip()]


def commands(page: Path) -> Iterator[list[str]]:
    """Every kubectl command of a page, in blocks and in text, as words."""
    inline = re.findall(r"`(kubectl [^`]+)`", BLOCK.sub("", page.read_text()))
    yield from (shlex.split(line) for line in (*blocks(page, ""), *inline) if line != "kubectl logs")


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    """The annotation `runbook_url` of a rule is made of the alert's name."""
    assert {page.stem for page in PAGES} == {*AlertName, "README"}


@pytest.mark.parametrize("name", AlertName)
def test_page_has_its_four_parts_when_read(name: str) -> None:
    """In this order, none of them empty."""
    text = (RUNBOOKS / f"{name}.md").read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)

    assert parts[0].strip() == f"# {name}"
    assert parts[1::2] == HEADINGS
    assert all(part.strip() for part in parts[2::2])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_promql_asks_for_what_is_exported_when_checked(page: Path) -> None:
    """Every query line by line; a rule's own mistakes are the same here."""
    for line in blocks(page, "promql"):
        assert problems(line) == [], line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_logql_selects_by_labels_that_lines_have_when_checked(page: Path) -> None:
    """namespace, service, container and level; services are those of the sample engine."""
    for line in blocks(page, "logql"):
        selector = re.match(r"\{(.+?)\} (\|=|\|~) \"[^\"]+\"$", line)
        assert selector, line
        labels = dict(re.findall(r'(\w+)="([^"]*)"', selector[1]))
        assert labels.keys() <= {"namespace", "service", "container", "level"}
        assert labels["service"] in {place.service for place in PLACES.values()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_command_is_well_formed_when_read(page: Path) -> None:
    """A verb and a kind that are known, a namespace that we make, a workload of an engine."""
    for words in commands(page):
        assert words[0] == "kubectl", words
        assert words[1] in VERBS, words
        assert words[words.index("-n") + 1] in NAMESPACES, words
        if words[1] in ("get", "describe", "delete", "patch", "wait"):
            assert words[2].partition("/")[0] in KINDS, words
        for word in words:
            if word.startswith("deployment/paper-"):
                assert word.removeprefix("deployment/paper-") in {worker.service for worker in WORKERS}, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_link_leads_somewhere_when_followed(page: Path) -> None:
    """Relative links are to files that are there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).is_file(), target
