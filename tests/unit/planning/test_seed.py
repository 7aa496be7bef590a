from typing import Any

import pytest

from drover.api.cloudinit import CloudInit, SecretKey
from drover.api.plugin import Workload
from drover.planning import seed, seedtext
from drover.planning.seedtext import Part

SECRET = {"name": "s", "key": "k"}
WORKLOAD = Workload.model_validate({"entrypoint": ["/bin/app", "-v"], "env": [{"name": "A", "value": "b"}]})


def make(**fields: Any) -> Any:
    """A seed of the machine web."""
    return seed.seed("web", CloudInit.model_validate(fields), None)


def test_a_machine_that_tells_nothing_has_no_seed() -> None:
    assert seed.seed("web", None, None) is None
    assert seed.seed("web", None, Workload(type="HTTP", port=80)) is None
    assert (seed.digest(None), seed.shown(None), seed.secrets(None), list(seed.faults(None))) == ("", None, (), [])


def test_a_guest_is_called_like_its_machine_unless_told_otherwise() -> None:
    assert (make().hostname, make(hostname="db").hostname) == ("web", "db")


def test_a_workload_alone_makes_a_seed() -> None:
    found = seed.seed("web", None, WORKLOAD)

    assert found is not None
    assert (found.hostname, found.entrypoint, found.env[0].name) == ("web", ["/bin/app", "-v"], "A")


def test_the_status_tells_where_texts_come_from_and_none_of_them() -> None:
    shown = seed.shown(make(userData="#!/bin/sh\necho private", networkDataSecretRef=SECRET, sshAuthorizedKeys=["a"]))

    assert shown is not None
    assert (shown.user_data, shown.network_data, shown.meta_data) == ("Inline", "Secret s/k", None)
    assert shown.ssh_authorized_keys == 1
    assert "private" not in shown.model_dump_json()


def test_every_secret_is_asked_for_once() -> None:
    found = make(userDataSecretRef=SECRET, metaDataSecretRef=SECRET, networkDataSecretRef={"name": "s", "key": "n"})

    assert seed.secrets(found) == (SecretKey(name="s", key="k"), SecretKey(name="s", key="n"))


def test_another_text_is_another_seed() -> None:
    assert seed.digest(make(userData="#!a")) != seed.digest(make(userData="#!b"))
    assert seed.digest(make(userData="#!a")) == seed.digest(make(userData="#!a"))


CONFIG = "#cloud-config\n"


@pytest.mark.parametrize(
    ("part", "text", "line", "words"),
    [
        pytest.param("userData", f"{CONFIG}a: [1\nb: 2\n", 3, "", id="a bracket left open"),
        pytest.param("userData", f"{CONFIG}packages:\n  - a\n b: c\n", 4, "", id="indented wrongly"),
        pytest.param("userData", f"{CONFIG}- a\n", 2, "mapping", id="a list"),
        pytest.param("userData", f"{CONFIG}text\n", 2, "mapping", id="a text"),
        pytest.param("userData", f"{CONFIG}a: *b\n", 2, "no anchor", id="an alias of nothing"),
        pytest.param("userData", f"{CONFIG}a: 1\n---\nb: 2\n", 3, "second document", id="two documents"),
        pytest.param("userData", f"{CONFIG}a: {'[' * 70}", 2, "deep", id="deep"),
        pytest.param("userData", f"{CONFIG}a: \x01\n", 2, "character", id="a control character"),
        pytest.param("userData", "packages: [a]\n", 1, "must begin with #cloud-config", id="no form that is known"),
        pytest.param("userData", "", 1, "must begin", id="empty user data"),
        pytest.param("networkData", "version: 2\nethernets: {a\n", 2, "", id="network"),
        pytest.param("metaData", "a: &x b\nc: *x\n", 1, "aliases", id="aliases in metadata"),
        pytest.param("metaData", "{a: b}: c\n", 1, "", id="a mapping as a key"),
    ],
)
def test_a_text_that_cloud_init_cannot_read_is_named_with_its_line(
    part: Part, text: str, line: int, words: str
) -> None:
    found = seedtext.fault(part, text)

    assert found is not None
    assert (found.line, words in found.words) == (line, True)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        pytest.param("userData", f"{CONFIG}a: &x [1, 2]\nb: *x\n", id="config"),
        pytest.param("userData", CONFIG, id="an empty config"),
        pytest.param("userData", "#!/bin/sh\nthis: [is no yaml\n", id="script"),
        pytest.param("userData", "## template: jinja\n#cloud-config\na: {{ b }}\n", id="template"),
        pytest.param("userData", "Content-Type: multipart/mixed; boundary=x\n", id="multipart"),
        pytest.param("networkData", "version: 1\nconfig: []\n", id="network"),
        pytest.param("networkData", "", id="nothing"),
        pytest.param("metaData", "dsmode: local\nstars: '*'\n", id="metadata"),
        pytest.param("metaData", "", id="no metadata"),
    ],
)
def test_a_text_that_cloud_init_can_read_has_no_fault(part: Part, text: str) -> None:
    assert seedtext.fault(part, text) is None


def test_a_fault_in_the_spec_is_worded_with_its_path() -> None:
    found = list(seed.faults(make(userData=f"{CONFIG}a: [1", networkData="version: 2", metaDataSecretRef=SECRET)))

    assert len(found) == 1
    assert found[0].startswith("cloudInit.userData: line 2: ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(b"\x1f\x8bcompressed", None, id="compressed"),
        pytest.param(b"#!/bin/sh", None, id="script"),
        pytest.param(b"#cloud-config\n\xff", 2, id="not a text"),
        pytest.param(b"#cloud-config\nhush: [", 2, id="not yaml"),
    ],
)
def test_a_text_from_a_secret_is_looked_at_but_not_quoted(content: bytes, line: int | None) -> None:
    found = seedtext.fault_in_bytes("userData", content)

    assert (found.line if found else None) == line
    assert found is None or "hush" not in found.kind


def test_metadata_is_read_as_texts() -> None:
    assert seedtext.mapping("a: yes\nb: [1]\n") == {"a": "yes", "b": ["1"]}
    assert seedtext.mapping("") == {}
