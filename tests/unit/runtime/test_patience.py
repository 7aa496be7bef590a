from drover.errors import Unavailable
from drover.runtime.patience import patiently


async def test_side_work_is_tried_until_it_succeeds_whatever_goes_wrong() -> None:
    troubles: list[Exception] = [RuntimeError("a bug"), Unavailable("away")]
    done: list[str] = []

    async def step() -> None:
        if troubles:
            raise troubles.pop()
        done.append("done")

    await patiently("work", step, pause=0.001)

    assert done == ["done"]
