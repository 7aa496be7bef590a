from typing import Any

import pytest
from tests.unit.kube.server import Api, connected

from drover import __version__
from drover.__main__ import main
from drover.api import crds
from drover.api.kinds import CRD
from drover.definitions.apply import Options, apply, wait
from drover.errors import Refused, Unavailable

NAMES = tuple(crds.definitions())
FIRST = NAMES[0]
SERVED = {"conditions": [{"type": "Established", "status": "True"}]}


def put(api: Api, name: str = FIRST, version: str = __version__, **parts: Any) -> None:
    metadata = {"name": name, "annotations": {"drover.dev/version": version}, **parts.pop("metadata", {})}
    api.put(CRD.path("", name), {"metadata": metadata, **parts})


def written(api: Api) -> list[dict[str, str]]:
    return [query for method, _, query, _ in api.requests if method == "PATCH"]


async def applied(api: Api, options: Options | None = None) -> list[str]:
    async with connected(api) as cluster:
        return [line async for line in apply(cluster, options or Options())]


async def test_every_kind_is_applied_as_our_own() -> None:
    api = Api()
    lines = await applied(api)

    assert lines == [f"customresourcedefinition {name}: created" for name in NAMES]
    assert written(api) == [{"fieldManager": "drover-crds", "force": "true"}] * len(NAMES)


async def test_a_dry_run_stores_nothing() -> None:
    api = Api()
    (first, *_) = await applied(api, Options(dry_run=True))

    assert first.endswith("created (dry run)")
    assert {query["dryRun"] for query in written(api)} == {"All"}


@pytest.mark.parametrize(
    ("present", "words"),
    [
        ({"version": __version__}, "unchanged"),
        ({"version": "0.0.1"}, f"unchanged, now of {__version__}"),
    ],
)
async def test_what_becomes_of_a_definition_is_told(present: dict[str, Any], words: str) -> None:
    api = Api()
    put(api, **present)
    (first, *_) = await applied(api)

    assert first == f"customresourcedefinition {FIRST}: {words}"


async def test_a_definition_that_changed_tells_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    put(api, version="0.0.1", metadata={"generation": 3})
    kept = api.put
    monkeypatch.setattr(api, "put", lambda path, body: kept(path, body | {"metadata": {"generation": 4}}))
    (first, *_) = await applied(api)

    assert first == f"customresourcedefinition {FIRST}: changed, from release 0.0.1"


async def test_nothing_is_changed_when_one_is_refused() -> None:
    api = Api()
    put(api, NAMES[-1], version="99.0.0")
    with pytest.raises(Refused, match=r"nothing was changed\n  .*release 99\.0\.0"):
        await applied(api)

    assert written(api) == []


async def test_it_waits_until_every_kind_is_served() -> None:
    api = Api()
    for name in NAMES:
        put(api, name, status=SERVED)

    assert (await applied(api, Options(wait_seconds=5.0)))[-1] == f"all {len(NAMES)} kinds are served"


async def test_a_kind_whose_name_is_taken_is_not_waited_for() -> None:
    api = Api()
    put(api, status={"conditions": [{"type": "NamesAccepted", "status": "False", "reason": "X", "message": "taken"}]})
    async with connected(api) as cluster:
        with pytest.raises(Refused, match=f"{FIRST}: taken"):
            await wait(cluster, (FIRST,), 5.0)


async def test_waiting_has_an_end() -> None:
    async with connected(Api()) as cluster:
        with pytest.raises(Unavailable, match="does not serve every kind after 0 s"):
            await wait(cluster, (FIRST,), 0.05)


@pytest.mark.parametrize(
    ("kubeconfig", "code", "words"),
    [("", 2, "no API server"), ("http://127.0.0.1:1", 1, "GET /apis/apiextensions.k8s.io")],
)
def test_trouble_is_told_in_a_line(
    kubeconfig: str,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    for name in ("DROVER_KUBECONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    if kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", kubeconfig)))

    assert (main(["crds", "apply"]), words in capsys.readouterr().err) == (code, True)


def write_kubeconfig(path: Any, server: str) -> Any:
    path.write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    )
    return path
