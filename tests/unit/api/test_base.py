"""What all models share."""

import pytest
from pydantic import ValidationError

from drover.api.base import PROSE
from drover.api.domain import DomainStatus
from drover.api.virtualmachine import VirtualMachineSpec


def test_a_long_message_is_cut_to_what_the_api_takes() -> None:
    assert DomainStatus(message="x" * (PROSE + 1)).message == "x" * PROSE


def test_a_message_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError):
        DomainStatus.model_validate({"message": 1})


def test_a_field_of_a_newer_version_is_ignored() -> None:
    assert VirtualMachineSpec.model_validate({"later": 1}) == VirtualMachineSpec()


def test_names_are_camel_case_outside() -> None:
    spec = VirtualMachineSpec.model_validate({"powerState": "Paused", "cpu": {"cores": 2}})

    assert spec.model_dump(by_alias=True, exclude_none=True) == {"powerState": "Paused", "cpu": {"cores": 2}}
