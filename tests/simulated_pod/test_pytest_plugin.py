"""The fixtures that users get, in a pytest of their own."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "voltage_attest.testing.pytest_plugin"


@pytest.fixture
def users_suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, repository: Path) -> pytest.Pytester:
    """A user's folder with nothing in it. The plugin is named, whether or not the package is installed."""
    monkeypatch.setenv("PYTHONPATH", str(repository))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", PLUGIN, "-W", "error", "-p", "no:cacheprovider", *arguments)


def test_fixtures_give_a_pod_and_a_policy_that_accepts_it(users_suite: pytest.Pytester) -> None:
    users_suite.makepyfile("""
        import ssl, socket
        from voltage_attest import load_policy

        def test_pod(simulated_pod, attestation_policy, simulated_pod_ca):
            mrtd = load_policy(attestation_policy).tdx.pins["mrtd"].values
            assert mrtd == (simulated_pod.machine.td.mrtd,)
            context = ssl.create_default_context(cafile=simulated_pod_ca)
            with socket.create_connection(("127.0.0.1", simulated_pod.port)) as plain:
                with context.wrap_socket(plain, server_hostname="localhost"):
                    pass

        def test_next_pod_is_another_one(simulated_pod):
            assert simulated_pod.traffic.connections == 0
    """)
    run(users_suite).assert_outcomes(passed=2)


def test_factory_closes_what_it_started(users_suite: pytest.Pytester) -> None:
    users_suite.makepyfile("""
        import threading

        def test_two_pods(simulated_pod_factory):
            one, two = simulated_pod_factory(pod_id="one"), simulated_pod_factory(pod_id="two")
            assert one.port != two.port and (one.pod_id, two.pod_id) == ("one", "two")
            assert threading.active_count() == 3

        def test_nothing_is_left():
            assert threading.active_count() == 1
    """)
    run(users_suite).assert_outcomes(passed=2)


def test_plugin_costs_nothing_until_it_is_used(users_suite: pytest.Pytester) -> None:
    users_suite.makepyfile("""
        import sys

        def test_light():
            assert {"cryptography", "httpx", "ssl", "voltage_attest.testing.pod"} & set(sys.modules) == set()
    """)
    run(users_suite).assert_outcomes(passed=1)


def test_fixtures_are_described(users_suite: pytest.Pytester) -> None:
    listed = run(users_suite, "--fixtures")
    listed.stdout.fnmatch_lines_random(
        [
            "attestation_policy -- *pytest_plugin.py*",
            "simulated_pod -- *pytest_plugin.py*",
            "simulated_pod_ca -- *pytest_plugin.py*",
            "simulated_pod_factory -- *pytest_plugin.py*",
        ]
    )
    assert "no docstring" not in listed.stdout.str().partition("pytest_plugin")[2]


def test_the_example_passes_as_it_is_shown(users_suite: pytest.Pytester, repository: Path) -> None:
    users_suite.makepyfile(test_my_gate=(repository / "examples" / "pytest" / "test_my_gate.py").read_text("utf-8"))
    outcome = run(users_suite)
    outcome.assert_outcomes(passed=7)


def test_plugin_is_registered_with_pytest(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"voltage_attest": PLUGIN}
