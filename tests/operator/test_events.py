"""Events: transitions only, each once, never more than the budget."""

from __future__ import annotations

from typing import Any

from trading_operator.events import EventRecorder

ENGINE = {
    "apiVersion": "tradingengine.io/v1alpha1",
    "kind": "TradingEngine",
    "metadata": {"name": "paper", "namespace": "trading", "uid": "u"},
}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ready(status: str, reason: str = "Because", message: str = "so") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]}


def told(recorder: EventRecorder, before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    return list(recorder.transitions(ENGINE, before, after))


def test_one_event_is_told_when_a_condition_changes() -> None:
    """It names the object and says why."""
    (event,) = told(EventRecorder("me", clock=Clock()), ready("True"), ready("False", "Broken", "image x"))
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "Broken", "ReadyFalse")
    assert event["regarding"]["uid"] == "u"
    assert "image x" in event["note"]


def test_warning_is_told_when_a_person_is_waited_for() -> None:
    """Ready False is normal while something is rolled, and a warning when it will not end by itself."""
    stalled = {"type": "Stalled", "status": "True", "reason": "Broken", "message": "image x"}
    after = {"conditions": [*ready("False", "Broken")["conditions"], stalled]}
    found = told(EventRecorder("me", clock=Clock()), ready("True"), after)
    assert [(each["type"], each["action"]) for each in found] == [("Warning", "ReadyFalse"), ("Warning", "StalledTrue")]


def test_a_new_object_tells_only_what_matters() -> None:
    """Not suspended, not stalled and no executor yet: so it is with every new one."""
    new = {"Ready": "False", "Stalled": "False", "Suspended": "False", "Halted": "Unknown"}
    conditions = [{"type": type_, "status": status, "reason": "R"} for type_, status in new.items()]
    recorder = EventRecorder("me", clock=Clock())
    assert [each["action"] for each in told(recorder, {}, {"conditions": conditions})] == ["ReadyFalse"]
    halted = {"conditions": [conditions[0] | {"status": "True"}, conditions[3] | {"status": "True"}]}
    assert [each["action"] for each in told(recorder, {"conditions": conditions}, halted)] == [
        "ReadyTrue",
        "HaltedTrue",
    ]


def test_nothing_is_told_when_only_the_message_changes() -> None:
    """Counting up is not a transition."""
    assert told(EventRecorder("me", clock=Clock()), ready("True", message="1/5"), ready("True", message="2/5")) == []


def test_flapping_is_told_once_until_it_was_quiet() -> None:
    """The same words again within ten minutes are noise."""
    clock = Clock()
    recorder = EventRecorder("me", clock=clock)
    assert len(told(recorder, ready("True"), ready("False"))) == 1
    assert told(recorder, ready("True"), ready("False")) == []
    clock.now = 601
    assert len(told(recorder, ready("True"), ready("False"))) == 1


def test_budget_ends_when_an_object_changes_without_end() -> None:
    """25 at once, then one every five minutes; another object has a budget of its own."""
    clock = Clock()
    recorder = EventRecorder("me", clock=clock)
    count = sum(len(told(recorder, {}, ready("False", f"R{number}"))) for number in range(100))
    assert count == 25
    clock.now = 301
    assert sum(len(told(recorder, {}, ready("False", f"S{number}"))) for number in range(5)) == 1
    other = ENGINE | {"metadata": {"name": "other", "namespace": "trading", "uid": "v"}}
    assert len(list(recorder.transitions(other, {}, ready("False")))) == 1
