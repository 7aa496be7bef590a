import aiohttp
import pytest

from drover.runtime.health import Health, queue_moves, serve, watch_lives


async def fetch(health: Health, path: str) -> tuple[int, str]:
    async with (
        serve("127.0.0.1:0", health) as address,
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}{path}") as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/healthz", 503, '"queue": "no key was taken for 121 s"'),
        ("/readyz", 200, '"healthy": true, "checks": {"primed": "ok"}'),
        ("/metrics", 200, "drover_up 1"),
        ("/", 404, ""),
    ],
)
async def test_each_question_has_its_path(path: str, code: int, words: str) -> None:
    health = Health(
        live={"queue": queue_moves(lambda: 121.0)}, ready={"primed": lambda: ""}, metrics=lambda: b"drover_up 1"
    )
    status, text = await fetch(health, path)

    assert (status, words in text) == (code, True)


@pytest.mark.parametrize(("silence", "verdict"), [(179.0, ""), (180.0, "a watch brought nothing for 180 s")])
def test_a_watch_lives_while_it_brings_something(silence: float, verdict: str) -> None:
    assert watch_lives(lambda: silence)() == verdict


def test_a_queue_moves_while_keys_do_not_wait_long() -> None:
    assert queue_moves(lambda: 119.0)() == ""
