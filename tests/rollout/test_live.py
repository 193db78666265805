from lvdeploy.model import Health, Mode
from lvdeploy.rollout.live import live_version, live_versions, version_before
from tests.rollout.fleets import fleet, healthy

OLD = ("1", Health.UP, frozenset(), "1", Mode.READY)
NEW = ("2", Health.UP, frozenset(), "2", Mode.READY)
SICK = ("2", Health.DOWN, frozenset(), "2", Mode.READY)
OUT = ("2", Health.UP, frozenset(), "2", Mode.MAINT)


def test_most_ready_servers_say_which_version_is_live():
    assert live_versions(fleet((OLD, OLD, NEW), "2")) == ("1", "2")
    assert live_version(fleet((OLD, NEW, NEW), "1")) == "2"


def test_of_as_many_servers_the_open_version_is_live():
    assert live_version(fleet((OLD, NEW), "2")) == "2"
    assert live_version(fleet((OLD, NEW), "1")) == "1"


def test_who_is_sick_or_out_serves_nobody():
    assert live_versions(fleet((OLD, SICK, SICK, OUT))) == ("1",)
    assert live_version(fleet((SICK,))) is None


def test_a_rollout_would_go_back_to_what_most_servers_but_the_targets_serve():
    both = fleet((OLD, NEW, NEW))

    assert version_before(both, "3") == "2"
    assert version_before(both, "2") == "1"
    assert version_before(healthy(3, 4), "2") == "1"
    assert version_before(healthy(3, 4), "1") is None
