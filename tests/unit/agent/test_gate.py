"""The gate of starts."""

from hypothesis import given
from hypothesis import strategies as st

from drover.agent.gate import StartGate


def test_as_many_enter_as_there_is_room_for() -> None:
    gate = StartGate[str](2, lambda _: None)

    assert [gate.enter(key) for key in "abc"] == [True, True, False]


def test_who_leaves_calls_the_first_in_line_and_keeps_its_place() -> None:
    called: list[str] = []
    gate = StartGate[str](1, called.append)
    for key in "abc":
        gate.enter(key)

    gate.leave("a")

    assert called == ["b"]
    assert (gate.enter("c"), gate.enter("b")) == (False, True)


def test_who_was_called_and_does_not_want_any_more_makes_room_for_the_next() -> None:
    called: list[str] = []
    gate = StartGate[str](1, called.append)
    for key in "abc":
        gate.enter(key)
    gate.leave("a")

    gate.leave("b")

    assert called == ["b", "c"]


def test_who_leaves_the_line_is_not_called() -> None:
    called: list[str] = []
    gate = StartGate[str](1, called.append)
    for key in "abc":
        gate.enter(key)

    gate.leave("b")
    gate.leave("a")

    assert called == ["c"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans())), st.integers(1, 3))
def test_never_more_than_the_limit_and_nobody_is_forgotten(steps: list[tuple[str, bool]], limit: int) -> None:
    called: list[str] = []
    gate, inside = StartGate[str](limit, called.append), set[str]()
    for key, enters in steps:
        if not enters:
            gate.leave(key)
            inside.discard(key)
        elif key not in inside and gate.enter(key):
            inside.add(key)
        assert len(inside) <= limit
    for key in "abcdef":
        gate.leave(key)
    assert gate.waiting == 0
