"""The fixture as users' own test suites have it: pytest inside pytest, against real instances."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import lvdeploy.client  # noqa: F401 - compiled modules cannot be imported anew by each inner pytest
from tests.demo.instance import Instance

pytest_plugins = ["pytester"]

GUIDE = """
    import os

    AFTER = os.environ.get("AFTER")

    async def test_state_persists_across_reconnection(live):
        view = await live("/dashboard?tab=settings")
        await view.lose(1012, to=AFTER)
        assert view.has("#settings-tab.active")

    async def test_form_data_recovers_after_disconnection(live):
        view = await live("/users/new")
        await view.change("#user-form", {"user[name]": "John"})
        await view.lose(1012, to=AFTER)
        assert view.value("input[name='user[name]']") == "John"
"""

CLICKS = """
    import asyncio, pytest

    {mark}
    async def test_it_counts(live):
        assert asyncio.get_running_loop().is_running()
        view = await live("/counter")
        await view.click("#inc")
        assert view.text("#count") == "1"
"""


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    launched: list[Instance] = []
    directory = tmp_path_factory.mktemp("instances")

    def start(*, version: str = "1.0", **environment: str) -> str:
        name = f"web-{len(launched) + 1}"
        launched.append(Instance(directory, name=name, version=version, environment=environment))
        return launched[-1].answering().url

    yield start
    for instance in launched:
        instance.kill()


@pytest.fixture(scope="module")
def url(launch) -> str:
    return launch()


def run(pytester: pytest.Pytester, source: str, *options: str, asyncio: str | None = None) -> pytest.RunResult:
    """Run a suite of one module, in which a socket left open is an error; ``asyncio`` is pytest-asyncio's mode."""
    pytester.makepyfile(source)
    with_asyncio = ["-o", f"asyncio_mode={asyncio}", "-o", "asyncio_default_fixture_loop_scope=function"]
    without = ["-p", "no:asyncio"]
    asked = [*options, *(without if asyncio is None else with_asyncio)]
    return pytester.runpytest("-p", "no:randomly", "-W", "error", *asked)


@pytest.mark.real
def test_the_guides_two_tests_pass_across_versions(pytester, monkeypatch, launch, url):
    """LiveView's deployment guide: state in the URL and in forms survives the switch to the next version."""
    monkeypatch.setenv("AFTER", launch(version="2.0"))

    run(pytester, GUIDE, f"--lvdeploy-url={url}").assert_outcomes(passed=2)


@pytest.mark.real
def test_the_guides_form_test_fails_on_a_form_renamed_in_the_next_version(pytester, monkeypatch, launch, url):
    monkeypatch.setenv("AFTER", launch(version="2.0", DEMO_BREAK="2.0:form"))

    result = run(pytester, GUIDE, f"--lvdeploy-url={url}")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*__ test_form_data_recovers_after_disconnection __*", "E * assert '' == 'John'"])


@pytest.mark.real
@pytest.mark.parametrize(
    ("mark", "asyncio"),
    [
        ("", None),
        ("", "strict"),
        ("@pytest.mark.asyncio", "strict"),
        ("", "auto"),
        ("@pytest.mark.anyio", None),
    ],
    ids=["alone", "beside asyncio", "asyncio", "asyncio auto", "anyio"],
)
def test_async_tests_run_whoever_runs_them(pytester, url, mark, asyncio):
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")

    run(pytester, CLICKS.format(mark=mark), f"--lvdeploy-url={url}", asyncio=asyncio).assert_outcomes(passed=1)


@pytest.mark.real
def test_a_fixture_may_open_the_page(pytester, url):
    source = """
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def counter(live):
            return await live("/counter")

        async def test_it(counter):
            await counter.click("#inc")
            assert counter.text("#count") == "1"
    """

    run(pytester, source, f"--lvdeploy-url={url}", asyncio="auto").assert_outcomes(passed=1)


@pytest.mark.real
@pytest.mark.parametrize("where", ["option", "environment", "ini", "fixture", "argument"])
def test_the_address_comes_from_wherever_it_is_given(pytester, monkeypatch, url, where):
    options = [f"--lvdeploy-url={url}"] if where == "option" else []
    argument = f', base_url="{url}"' if where == "argument" else ""
    if where == "environment":
        monkeypatch.setenv("LVDEPLOY_URL", url)
    if where == "ini":
        pytester.makeini(f"[pytest]\nlvdeploy_url = {url}\n")
    if where == "fixture":
        pytester.makeconftest(f"import pytest\n\n@pytest.fixture\ndef lvdeploy_url():\n    return '{url}'\n")
    source = f"async def test_it(live):\n    assert (await live('/counter'{argument})).text('#count') == '0'"

    run(pytester, source, *options).assert_outcomes(passed=1)


def test_without_an_address_it_says_where_to_give_one(pytester):
    result = run(pytester, "async def test_it(live): await live('/counter')")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*where is '/counter'?*--lvdeploy-url, LVDEPLOY_URL*"])


def test_a_plain_test_that_asks_for_it_is_told_to_be_async(pytester):
    result = run(pytester, "def test_it(live): assert True")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_it asks for the fixture live and is not async*"])


def test_fixtures_of_that_name_that_others_have_are_left_alone(pytester):
    source = """
        import pytest

        @pytest.fixture
        def live():
            return 42

        def test_it(live):
            assert live == 42
    """

    run(pytester, source).assert_outcomes(passed=1)


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path):
    """Every pytest of the environment loads the plugin; those without live pages pay for one small module."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n"
        "    assert [each for each in sorted(sys.modules) if each.startswith('lvdeploy')]"
        " == ['lvdeploy', 'lvdeploy.pytest_plugin']\n"
        "    assert not {'httpx', 'websockets', 'selectolax', 'msgspec'} & sys.modules.keys()\n"
    )
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:anyio", tmp_path], capture_output=True)

    assert ran.returncode == 0, ran.stdout.decode()
