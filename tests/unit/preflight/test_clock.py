import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from drover.kube.connection import Endpoint
from drover.preflight.clock import ahead, compare

NOON = 1_795_262_400.0


class Noon(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the library asks so
        return super().date_time_string(NOON)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Noon) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_the_api_server_tells_its_time_even_to_strangers(server: str) -> None:
    assert ahead(Endpoint(server), lambda: NOON + 7.5) == pytest.approx(7.0)


def test_an_environment_without_an_api_server_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DROVER_KUBECONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)

    assert compare().trouble.startswith("no API server")


def test_an_api_server_that_does_not_answer_is_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delenv("DROVER_KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setattr("drover.preflight.clock.endpoint_from_environment", lambda: Endpoint("http://127.0.0.1:1"))

    assert compare().trouble.startswith("the API server does not tell its time: ")
