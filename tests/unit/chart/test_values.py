"""How the file of values becomes a schema and a page."""

import json

import pytest
from scripts.chart import values

TEXT = """# All of it.
# @schema required: [size]

# How large: a | b.
# @schema minimum: 1,
# @schema maximum: 9
size: 2
nested:
  # A word.
  word: ""
  # What users like.
  # @schema freeform: true
  free: {a: 1}
  # Some names.
  # @schema items: {type: string}
  names: []
"""


def schema() -> dict[str, object]:
    return values.document(values.read(TEXT), "made")


def test_a_comment_is_description_and_rules() -> None:
    size = schema()["properties"]["size"]  # type: ignore[index]

    assert size == {"description": "How large: a | b.", "type": "integer", "default": 2, "minimum": 1, "maximum": 9}


def test_the_comment_at_the_top_is_about_all_values() -> None:
    assert {key: schema()[key] for key in ("description", "required", "$comment")} == {
        "description": "All of it.",
        "required": ["size"],
        "$comment": "made",
    }


def test_no_key_is_admitted_that_is_not_in_the_file_but_what_charts_share() -> None:
    whole = schema()

    assert (whole["additionalProperties"], sorted(whole["properties"])) == (False, ["global", "nested", "size"])  # type: ignore[call-overload]


def test_what_users_fill_as_they_like_is_left_open() -> None:
    nested = schema()["properties"]["nested"]["properties"]  # type: ignore[index]

    assert (nested["free"]["type"], "additionalProperties" in nested["free"]) == ("object", False)


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(schema())) == schema()


@pytest.mark.parametrize("row", ["| `size` | `2` | How large: a \\| b. |", "| `nested.names` | `[]` | Some names. |"])
def test_the_page_has_a_row_for_each_value(row: str) -> None:
    assert row in values.page(values.read(TEXT)).split("\n")
