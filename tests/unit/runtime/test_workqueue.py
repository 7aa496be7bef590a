import asyncio
import threading
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.kube.server import until

from drover.runtime.workqueue import Backoff, WorkQueue


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


KEYS = st.sampled_from(["a", "b", "c"])


class Queue(RuleBasedStateMachine):
    """Adds, workers and time in any order: no wish is lost, no key has two workers, none is waited for too long."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(clock=self.clock, chance=lambda: 0.0)
        self.wanted: set[str] = set()
        self.due: dict[str, float] = {}
        self.busy: set[str] = set()

    def ripen(self) -> None:
        ripe = {key for key, due in self.due.items() if due <= self.clock.now}
        self.wanted |= ripe
        self.due = {key: due for key, due in self.due.items() if key not in ripe}

    @rule(key=KEYS, urgent=st.booleans())
    def add(self, key: str, urgent: bool) -> None:  # noqa: FBT001
        self.queue.add(key, urgent=urgent)
        self.wanted.add(key)

    @rule(key=KEYS, delay=st.integers(1, 20))
    def add_after(self, key: str, delay: int) -> None:
        self.queue.add_after(key, delay)
        self.due[key] = min(self.due.get(key, float("inf")), self.clock.now + delay)

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def take(self) -> None:
        self.ripen()
        key = self.queue.take()
        assert (key is None) == (not self.wanted - self.busy)
        if key is not None:
            assert key in self.wanted - self.busy
            self.wanted.discard(key)
            self.busy.add(key)

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:  # noqa: FBT001
        key = data.draw(st.sampled_from(sorted(self.busy)))
        if fails:
            delay = self.queue.retry(key)
            self.due[key] = min(self.due.get(key, float("inf")), self.clock.now + delay)
        else:
            self.queue.forget(key)
        self.queue.done(key)
        self.busy.discard(key)

    @invariant()
    def knows_its_depth(self) -> None:
        assert self.queue.depth <= len(self.wanted - self.busy)
        assert self.queue.delayed >= len(self.due) - len(self.queue_ripe())

    def queue_ripe(self) -> set[str]:
        return {key for key, due in self.due.items() if due <= self.clock.now}


TestQueue = Queue.TestCase


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.2), (2, 0.4), (5, 3.2), (9, 51.2), (10, 60.0), (100_000, 60.0)]
)
def test_the_backoff_doubles_up_to_its_limit(failures: int, seconds: float) -> None:
    backoff = Backoff(0.2, 60)

    assert (backoff.delay(failures, 0.0), backoff.delay(failures, 1.0)) == pytest.approx((seconds, seconds / 2))


def test_urgent_keys_go_first_even_if_they_were_waiting_already() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=Clock())
    for key in ("a", "b", "c"):
        queue.add(key)
    queue.add("c", urgent=True)

    assert [queue.take(), queue.take(), queue.take(), queue.take()] == ["c", "a", "b", None]


def test_a_key_that_is_hurried_while_a_worker_has_it_goes_first_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=Clock())
    queue.add("a")
    assert queue.take() == "a"
    queue.add("b")
    queue.add("a", urgent=True)
    queue.done("a")

    assert [queue.take(), queue.take(), queue.depth] == ["a", "b", 0]


def test_success_forgets_the_failures() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=Clock(), chance=lambda: 0.0)
    delays = [queue.retry("a"), queue.retry("a")]
    queue.forget("a")

    assert ([*delays, queue.retry("a")], queue.failures("a")) == ([0.2, 0.4, 0.2], 1)


async def test_a_queue_stalls_when_workers_leave_keys_waiting_not_when_it_is_long() -> None:
    clock, gate = Clock(), asyncio.Event()
    queue: WorkQueue[int] = WorkQueue(clock=clock)

    async def handle(_: int) -> None:
        await gate.wait()

    for key in range(9):
        queue.add(key)
    clock.now += 500
    assert queue.stall == 0  # nobody works yet
    working = asyncio.create_task(queue.run(handle, workers=1))
    await until(lambda: queue.depth == 8)
    assert queue.stall == 0
    clock.now += 7
    assert queue.stall == 7
    gate.set()
    await until(lambda: queue.depth == 0)
    working.cancel()


def test_without_delay_a_key_is_ready_at_once() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=Clock())
    queue.add_after("a", 0)

    assert queue.take() == "a"


async def test_workers_share_the_keys_but_never_one_key() -> None:
    queue: WorkQueue[int] = WorkQueue()
    running: set[int] = set()
    finished: list[int] = []

    async def handle(key: int) -> None:
        assert key not in running
        running.add(key)
        queue.add(key) if finished.count(key) < 2 else None
        await asyncio.sleep(0)
        running.discard(key)
        finished.append(key)

    for key in range(5):
        queue.add(key)
    working = asyncio.create_task(queue.run(handle, workers=3))
    await until(lambda: len(finished) == 15)
    working.cancel()

    assert sorted(finished) == sorted(list(range(5)) * 3)


async def test_a_delayed_key_wakes_a_sleeping_worker() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: asyncio.Queue[str] = asyncio.Queue()
    working = asyncio.create_task(queue.run(seen.put, workers=2))
    await asyncio.sleep(0)
    queue.add_after("late", 0.05)
    queue.add_after("soon", 0.01)

    assert [await asyncio.wait_for(seen.get(), 5) for _ in range(2)] == ["soon", "late"]
    working.cancel()


async def test_other_threads_may_add() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: asyncio.Queue[str] = asyncio.Queue()
    working = asyncio.create_task(queue.run(seen.put, workers=1))
    threading.Thread(target=queue.add_threadsafe, args=("a",)).start()

    assert await asyncio.wait_for(seen.get(), 5) == "a"
    working.cancel()


def test_adding_from_a_thread_after_the_end_is_ignored() -> None:
    async def make() -> WorkQueue[str]:
        return WorkQueue()

    queue = asyncio.run(make())
    queue.add_threadsafe("a")

    assert queue.depth == 0
