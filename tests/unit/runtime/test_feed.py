from itertools import islice

import kopf
import pytest
from kopf._cogs.structs.references import Resource
from yarl import URL

from drover.api.kinds import DOMAIN, POD, Kind
from drover.runtime.feed import Backoffs, Selection, SelectorIgnored, _verify, kopf_settings


def resource(kind: Kind) -> Resource:
    return Resource(group=kind.group, version=kind.version, plural=kind.plural, namespaced=kind.namespaced)


@pytest.mark.parametrize("kind", [DOMAIN, POD])
def test_kopf_finds_the_selectors_under_the_kind_they_are_for(kind: Kind) -> None:
    watching = kopf_settings([Selection(kind, "a=b", "spec.nodeName=n1")]).watching

    assert watching.label_selectors.collect(resource(kind)) == ["a=b"]
    assert watching.field_selectors.collect(resource(kind)) == ["spec.nodeName=n1"]


def test_kinds_without_selectors_are_watched_whole() -> None:
    watching = kopf_settings([Selection(DOMAIN, fields="spec.nodeName=n1"), Selection(POD)]).watching

    assert watching.field_selectors.collect(resource(POD)) == []


def test_kopf_keeps_and_tells_nothing() -> None:
    settings = kopf_settings([])

    assert isinstance(settings, kopf.OperatorSettings)
    assert (settings.scanning.disabled, settings.posting.enabled, settings.watching.initial_streaming) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize("query", ["", "?fieldSelector=spec.nodeName%3Dn2", "?labelSelector=spec.nodeName%3Dn1"])
def test_a_request_for_more_than_the_selection_is_refused(query: str) -> None:
    with pytest.raises(SelectorIgnored, match="domains"):
        _verify(Selection(DOMAIN, fields="spec.nodeName=n1"), URL("https://api/domains" + query))


def test_a_request_for_the_selection_passes() -> None:
    url = URL("https://api/domains?labelSelector=a%3Db&fieldSelector=spec.nodeName%3Dn1&watch=true")

    _verify(Selection(DOMAIN, "a=b", "spec.nodeName=n1"), url)


def test_tries_never_end_and_never_wait_long() -> None:
    waits = list(islice(Backoffs(), 1000))

    assert waits[0] <= 0.3
    assert max(waits) <= 2.4
