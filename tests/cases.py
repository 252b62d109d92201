"""Tables of cases, and what every refusal of a description keeps."""

import pytest

from theory.errors import DescriptionError


def table(cases, names="case"):
    return pytest.mark.parametrize(names, cases.values(), ids=cases)


def refused(build, *parts):
    """``build()`` is refused in one short line that contains all parts."""
    with pytest.raises(DescriptionError) as caught:
        build()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1200
    for part in parts:
        assert part in message
