import pytest

from lvdeploy.rollout.intent import Sessions
from lvdeploy.rollout.plan import plan
from lvdeploy.rollout.predict import predict
from lvdeploy.rollout.rolling import rolling
from tests.rollout.fleets import healthy, intent


def predicted(replicas, slots, **changes):
    wanted, state = intent(replicas, **changes), healthy(replicas, slots)
    return predict(wanted, state, plan(rolling, wanted, state))


@pytest.mark.parametrize("replicas", [1, 2, 3, 10])
def test_with_a_surge_and_updated_sessions_everyone_moves_once(replicas):
    assert predicted(replicas, replicas + 1).reconnects == pytest.approx(1.0)


def test_without_a_surge_the_first_to_leave_moves_twice():
    assert predicted(3, 3, max_surge=0, max_unavailable=1).reconnects == pytest.approx(1 + 1 / 3)


def test_any_sessions_cost_what_a_naive_rolling_deploy_does():
    """A third goes to the other two old ones, those to the last, all of them to the new: 1/3 + 1/2 + 1."""
    assert predicted(3, 4, sessions=Sessions.ANY).reconnects == pytest.approx(1 / 3 + 1 / 2 + 1)


def test_capacity_and_balancer_changes_are_counted():
    prediction = predicted(3, 4)

    assert (prediction.capacity, prediction.changes, prediction.worst) == (3, 7, pytest.approx(1 / 3))
