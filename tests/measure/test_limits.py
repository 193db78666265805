from __future__ import annotations

import pytest
from pydantic import ValidationError

from lvdeploy.measure.limits import Limits


def test_the_default_budget():
    limits = Limits()
    assert (limits.reconnects_per_session, limits.gap_p99, limits.gap_max) == (1, 5.0, 15.0)
    assert limits.forbidden_close_codes == (1000,)


def test_written_as_in_a_file():
    limits = Limits.model_validate({"gap_p99": "500ms", "gap_max": None, "forbidden_close_codes": [1000, 1011]})
    assert (limits.gap_p99, limits.gap_max, limits.forbidden_close_codes) == (0.5, None, (1000, 1011))


@pytest.mark.parametrize("wrong", [{"gap_p9": "5s"}, {"gap_max": "5"}, {"state_lost": -1}, {"gap_max": "0s"}])
def test_mistakes_are_found(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        Limits.model_validate(wrong)
