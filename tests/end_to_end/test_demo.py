import json
import os
import subprocess

import pytest

from tests.end_to_end.operator import LVDEPLOY

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("services")]


def test_the_demo_proves_itself_and_leaves_nothing_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [*LVDEPLOY, "demo", "--clients", "45", "--report", f"json={tmp_path}/report.json"], env=environment, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=280,
    )

    assert ended.returncode == 0, ended.stderr
    assert "2.0 serves everyone: done and verified" in ended.stderr.splitlines()[-2]
    assert "all it started is stopped" in ended.stderr.splitlines()[-1]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["clients"]["reconnects_per_session"]["histogram"] == {"1": 45}
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
