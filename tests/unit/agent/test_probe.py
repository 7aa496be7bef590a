"""The prober, against guests that are small servers on the loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from drover.agent.probe import Prober, Target
from drover.api.probe import GuestAgentProbe, HTTPGet, ReadinessProbe, TCPSocket
from drover.state.resource import Key

KEY = Key("shop", "web-1")
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def guest(answer: Answer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def says(line: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line)
        writer.close()

    return answer


async def verdict(
    probe: ReadinessProbe, *, address: str = "127.0.0.1", ping: bool = True, run: str = "1"
) -> bool | None:
    """Watch a guest until the prober has something to say of it."""
    told = asyncio.Event()

    async def answers(_uuid: str, _seconds: int) -> bool:
        return ping

    prober = Prober(answers, lambda _: told.set())
    prober.watch(Target(KEY, "uuid", address, "1", probe), 0.0)
    task = asyncio.create_task(prober.run())
    try:
        await asyncio.wait_for(told.wait(), 10)
        return prober.ready(KEY)
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 399 \r\n", True),
        (b"HTTP/1.1 400 Bad\r\n", False),
        (b"HTTP/1.1 503\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"HTTP/1.1 2\r\n", False),
        (b"HTTP/1.1 " + b"2" * 20_000, False),
        (b"", False),
    ],
    ids=["ok", "399", "400", "503", "not-http", "no-code", "endless-line", "nothing"],
)
async def test_an_http_answer_below_400_is_a_success(line: bytes, *, expected: bool) -> None:
    async with guest(says(line)) as port:
        assert await verdict(ReadinessProbe(http_get=HTTPGet(port=port), failure_threshold=1)) is expected


async def test_a_guest_that_never_answers_fails_in_time() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with guest(silence) as port:
        assert await verdict(ReadinessProbe(http_get=HTTPGet(port=port), failure_threshold=1)) is False


async def test_being_accepted_is_enough_for_a_socket() -> None:
    async with guest(says(b"")) as port:
        assert await verdict(ReadinessProbe(tcp_socket=TCPSocket(port=port))) is True


async def test_a_port_that_nobody_listens_on_fails() -> None:
    assert await verdict(ReadinessProbe(tcp_socket=TCPSocket(port=1), failure_threshold=1)) is False


@pytest.mark.parametrize("ping", [True, False])
async def test_the_guest_agent_is_asked_by_libvirt(*, ping: bool) -> None:
    probe = ReadinessProbe(guest_agent=GuestAgentProbe(), failure_threshold=1)

    assert await verdict(probe, ping=ping) is ping


async def test_a_guest_without_an_address_is_not_ready() -> None:
    probe = ReadinessProbe(tcp_socket=TCPSocket(port=80), failure_threshold=1)

    assert await verdict(probe, address="") is False


async def nobody(_uuid: str, _seconds: int) -> bool:
    return False


def target(run: str = "1", **changes: Any) -> Target:
    return Target(KEY, "uuid", "127.0.0.1", run, ReadinessProbe(guest_agent=GuestAgentProbe(), **changes))


@pytest.mark.parametrize(("changed", "kept"), [(target(period_seconds=9), True), (target("2"), False)])
async def test_another_probe_keeps_the_verdict_and_another_run_does_not(changed: Target, *, kept: bool) -> None:
    prober = Prober(nobody, lambda _: None)
    prober.watch(target(failure_threshold=1), 0.0)
    await prober._ask(prober._watched[KEY])
    assert prober.ready(KEY) is False

    prober.watch(changed, 0.0)

    assert (prober.ready(KEY) is False) is kept


async def test_a_guest_that_is_forgotten_is_asked_no_more() -> None:
    prober = Prober(nobody, lambda _: None)
    prober.watch(target(), 0.0)
    watched = prober._watched[KEY]
    prober.forget(KEY)
    await prober._ask(watched)

    assert prober.ready(KEY) is None
