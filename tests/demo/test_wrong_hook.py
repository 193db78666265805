import os
import subprocess
import sys

import pytest

from lvdeploy.demo.wrong_hook import stop_a_neighbour

pytestmark = pytest.mark.real

WAIT = "import signal, sys; print('up', flush=True); signal.pause()"


def neighbour(database, version):
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT, "lvdeploy.demo"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "DEMO_DATABASE": str(database), "APP_VERSION": version},
    )
    assert process.stdout.readline() == "up\n"
    return process


def test_the_wrong_hook_stops_one_instance_of_another_version_and_no_stranger(tmp_path):
    ours, same = neighbour(tmp_path / "a", "1.0"), neighbour(tmp_path / "a", "2.0")
    stranger = neighbour(tmp_path / "b", "1.0")
    try:
        pid = stop_a_neighbour({"DEMO_DATABASE": str(tmp_path / "a"), "APP_VERSION": "2.0"})

        assert pid == ours.pid
        assert ours.wait(20) == -15
        assert same.poll() is stranger.poll() is None
        assert stop_a_neighbour({"DEMO_DATABASE": str(tmp_path / "a"), "APP_VERSION": "2.0"}) is None
    finally:
        for process in (ours, same, stranger):
            process.kill()
            process.wait()
            process.stdout.close()
