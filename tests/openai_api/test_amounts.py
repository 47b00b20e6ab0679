"""Amounts of what a call sends and gets."""

from msgspec.structs import fields

from vast_intercept.openai_api.amounts import NOTHING, Amounts


def test_all_of_two_amounts_is_added_up() -> None:
    names = [field.name for field in fields(Amounts)]
    one = Amounts(**{name: 2**n for n, name in enumerate(names)})
    other = Amounts(**{name: 100 * 2**n for n, name in enumerate(names)})
    assert one + other == Amounts(**{name: 101 * 2**n for n, name in enumerate(names)})
    assert one + NOTHING == one
