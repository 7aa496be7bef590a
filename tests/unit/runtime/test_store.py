from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.runtime.objects import KEY, Thing, thing

from drover.runtime import store as module
from drover.runtime.store import Store
from drover.state.resource import Key


def versions(store: Store[Thing]) -> dict[str, str]:
    return {found.meta.key.name: found.meta.resource_version for found in store.values()}


@pytest.mark.parametrize(("first", "second", "kept"), [(9, 10, "10"), (10, 9, "10"), (7, 7, "7")])
def test_the_newer_version_stays_in_whatever_order_they_come(first: int, second: int, kept: str) -> None:
    store: Store[Thing] = Store()
    store.observe(thing(first))
    store.observe(thing(second))

    assert versions(store) == {"web": kept}


def test_what_is_known_already_is_no_news() -> None:
    store: Store[Thing] = Store()

    assert [store.observe(thing(number)) for number in (3, 3, 2, 4)] == [True, False, False, True]


EVENTS: dict[str, Callable[[Store[Thing]], bool]] = {
    "created": lambda store: store.observe(thing(1, uid="old")),
    "deleted": lambda store: store.observe_deleted(thing(5, uid="old")),
    "recreated": lambda store: store.observe(thing(6, uid="new")),
}


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids="-".join)
def test_a_name_that_is_deleted_and_created_again_ends_as_the_new_object(order: tuple[str, ...]) -> None:
    store: Store[Thing] = Store()
    for word in order:
        EVENTS[word](store)

    found = store.get(KEY)
    assert found is not None
    assert found.meta.uid == "new"


def test_late_news_of_a_deleted_object_does_not_revive_it() -> None:
    store: Store[Thing] = Store()
    store.observe_deleted(thing(5))

    assert not store.observe(thing(4))
    assert store.get(KEY) is None


def test_an_object_that_comes_back_into_the_selection_is_seen_again() -> None:
    store: Store[Thing] = Store()
    store.observe(thing(4))
    store.observe_deleted(thing(5))

    assert store.observe(thing(6))


def test_a_deletion_older_than_what_is_known_is_ignored() -> None:
    store: Store[Thing] = Store()
    store.observe(thing(6))

    assert not store.observe_deleted(thing(5))
    assert store.get(KEY) is not None


@pytest.mark.parametrize(("moment", "stays"), [(5, True), (6, False), (7, False)])
def test_absence_counts_from_the_moment_it_was_seen(moment: int, stays: bool) -> None:  # noqa: FBT001
    store: Store[Thing] = Store()
    store.observe(thing(6))
    store.observe_absent(KEY, moment)

    assert (store.get(KEY) is not None) is stays


def test_late_news_of_what_was_found_absent_does_not_revive_it() -> None:
    store: Store[Thing] = Store()
    store.observe(thing(3))
    store.observe_absent(KEY, 8)

    assert not store.observe(thing(5))


def test_absence_of_what_was_never_there_is_no_news() -> None:
    assert not Store[Thing]().observe_absent(KEY, 8)


def test_tombstones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOMBSTONES", 2)
    store: Store[Thing] = Store()
    for number in range(5):
        store.observe_deleted(thing(10 + number, uid=f"u{number}"))

    assert [store.observe(thing(1, uid=f"u{number}", name=f"m{number}")) for number in (0, 3, 4)] == [
        True,
        False,
        False,
    ]


def test_indexes_follow_every_change() -> None:
    store: Store[Thing] = Store({"node": lambda found: found.node})
    store.observe(thing(1, owner="vm", node="n1"))
    store.observe(thing(2, name="db", uid="v", owner="vm", node="n1"))
    store.observe(thing(3, owner="vm", node="n2"))
    store.observe_deleted(thing(4, name="db", uid="v"))

    assert (store.by("node", "n1"), [found.meta.key for found in store.by("node", "n2")]) == ((), [KEY])


def test_an_object_that_an_index_cannot_read_changes_nothing() -> None:
    store: Store[Thing] = Store({"odd": lambda found: {"n1": "fine"}[found.node]})
    with pytest.raises(KeyError):
        store.observe(thing(1, owner="vm", node="n2"))

    assert (len(store), list(store.names())) == (0, [])


def test_subscribers_hear_of_accepted_changes_only() -> None:
    heard: list[tuple[str, str]] = []
    store: Store[Thing] = Store()
    store.subscribe(lambda old, new: heard.append((old.meta.uid if old else "", new.meta.uid if new else "")))
    store.observe(thing(1))
    store.observe(thing(1))
    store.observe_deleted(thing(2))

    assert heard == [("", "u"), ("u", "")]


def test_a_subscriber_that_fails_keeps_the_news_from_nobody() -> None:
    heard: list[object] = []
    store: Store[Thing] = Store()
    store.subscribe(lambda _old, _new: heard.remove(store))
    store.subscribe(lambda _old, new: heard.append(new))
    store.observe(thing(1))

    assert len(heard) == len(store) == 1


@given(st.lists(st.tuples(st.sampled_from(["seen", "deleted", "absent"]), st.integers(1, 30), st.sampled_from("ab"))))
def test_the_indexes_always_hold_what_the_store_holds(news: list[tuple[str, int, str]]) -> None:
    store: Store[Thing] = Store({"node": lambda found: found.node})
    for word, number, name in news:
        found = thing(number, name=name, uid=f"{name}{number // 10}", owner="vm", node=f"n{number % 3}")
        if word == "absent":
            store.observe_absent(found.meta.key, number)
        else:
            (store.observe if word == "seen" else store.observe_deleted)(found)

    by_node = [found.meta.key for node in ("n0", "n1", "n2") for found in store.by("node", node)]
    assert sorted(by_node, key=str) == sorted(store.names(), key=str)


def test_names_are_a_snapshot() -> None:
    store: Store[Thing] = Store()
    store.observe(thing(1))
    names = store.names()
    store.observe_deleted(thing(2))

    assert list(names) == [Key("team", "web")]
