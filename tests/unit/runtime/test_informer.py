import pytest
from tests.unit.kube.server import Api, connected
from tests.unit.runtime.objects import read_thing

from drover.api.kinds import DOMAIN
from drover.kube.errors import ApiFault
from drover.runtime.informer import Informer, MissingKind, Watch
from drover.runtime.mirror import UnknownField

WATCH = Watch(DOMAIN, read_thing, fields="spec.nodeName=n1")


@pytest.mark.parametrize(
    ("code", "message", "error", "words"),
    [
        (400, "field label not supported: spec.nodeName", UnknownField, r"Kubernetes 1\.31 or later, and the CRDs"),
        (400, "something else", ApiFault, "something else"),
        (404, "not found", MissingKind, r"does not know domains\.drover\.dev: run `drover crds apply`"),
    ],
)
async def test_what_cannot_be_watched_is_said(code: int, message: str, error: type[Exception], words: str) -> None:
    api = Api()
    api.refuse(code, "", message)
    async with connected(api) as cluster:
        with pytest.raises(error, match=words):
            await Informer(cluster, (WATCH,)).prime()
