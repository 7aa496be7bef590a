"""The packet filter: what nft says is read, and what it is told it takes."""

import json
import subprocess

import pytest
from tests.golden.test_nft import CASES

from drover.translation import nft

LISTED = {"nftables": [{"metainfo": {}}, {"map": {"name": "to-guests", "elem": [["dt1", {}], ["dt2", {}]]}}]}


def test_the_table_is_found_in_a_list() -> None:
    tables = {"nftables": [{"metainfo": {}}, {"table": {"family": "bridge", "name": "drover"}}]}
    assert (nft.has_table(json.dumps(tables)), nft.has_table('{"nftables": []}')) == (True, False)


def test_the_interfaces_with_a_filter_are_read_from_the_map() -> None:
    assert nft.interfaces(json.dumps(LISTED)) == {"dt1", "dt2"}


def test_an_empty_map_has_no_interfaces() -> None:
    assert nft.interfaces('{"nftables": [{"map": {"name": "to-guests"}}]}') == frozenset()


@pytest.mark.parametrize("case", CASES)
def test_nft_takes_every_transaction_twice(case: str) -> None:
    command = ["unshare", "--net", "--user", "--map-root-user", "nft", "-f", "-"]
    done = subprocess.run(command, input=CASES[case] * 2, capture_output=True, text=True, check=False, timeout=20)

    assert (done.returncode, done.stderr) == (0, "")
