import json

import pytest

from drover.errors import Unavailable
from drover.kube.errors import AlreadyExists, Answer, ApiFault, Conflict, Rejected, convert, read_answer


@pytest.mark.parametrize(
    ("code", "reason", "message", "expected"),
    [
        pytest.param(409, "AlreadyExists", "", AlreadyExists, id="name-taken"),
        pytest.param(409, "Conflict", "", Conflict, id="stale-version"),
        pytest.param(403, "Forbidden", "exceeded quota: q", Rejected, id="quota"),
        pytest.param(404, "NotFound", 'namespaces "x" not found', Rejected, id="no-namespace-to-create-in"),
        pytest.param(401, "Unauthorized", "", Unavailable, id="token-refused"),
        pytest.param(429, "TooManyRequests", "", Unavailable, id="throttled"),
        pytest.param(503, "", "", Unavailable, id="server-in-trouble"),
        pytest.param(422, "Invalid", "", ApiFault, id="we-wrote-nonsense"),
        pytest.param(400, "BadRequest", "", ApiFault, id="we-asked-nonsense"),
        pytest.param(500, "", "failed to create typed patch object (x)", ApiFault, id="we-applied-nonsense"),
    ],
)
def test_each_refusal_has_its_place_in_the_taxonomy(
    code: int, reason: str, message: str, expected: type[Exception]
) -> None:
    assert type(convert(Answer(code, reason, message, None))) is expected


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("pods is forbidden: exceeded quota: q, requested: pods=1", "QuotaExceeded"),
        ("unable to create new content in namespace x because it is being terminated", "NamespaceTerminating"),
        ('User "u" cannot create resource "pods"', "Forbidden"),
    ],
)
def test_a_rejection_says_why_and_is_tried_again_slowly(message: str, reason: str) -> None:
    error = convert(Answer(403, "Forbidden", message, None))

    assert isinstance(error, Rejected)
    assert (error.reason, error.delay, str(error)) == (reason, 10.0, message)


def test_the_server_s_wish_to_wait_becomes_the_delay() -> None:
    error = convert(read_answer(429, {"Retry-After": "7"}, b"{}"))

    assert isinstance(error, Unavailable)
    assert error.delay == 7.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(json.dumps({"message": "so"}).encode(), "so", id="status"),
        pytest.param(b"upstream gone \xff", "upstream gone \ufffd", id="text"),
        pytest.param(b"[]", "[]", id="no-object"),
        pytest.param(b"{}", "HTTP 502", id="nothing-said"),
    ],
)
def test_an_answer_that_is_no_status_is_quoted(body: bytes, message: str) -> None:
    assert read_answer(502, {}, body).message == message
