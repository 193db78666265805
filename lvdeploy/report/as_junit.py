"""A run as JUnit XML: one test case a check, as GitHub, GitLab and Jenkins show them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from lvdeploy.errors import ExitCode
from lvdeploy.model import Outcome, Verdict
from lvdeploy.report.masking import mask
from lvdeploy.report.run import Run

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold even escaped."""


def as_junit(run: Run) -> str:
    """Return the document; an inconclusive check is a skipped case with its reason."""
    cases = [_rollout_case(run), *(_case(run, each, "checks") for each in run.checks), *_proof_cases(run)]
    suite = ET.Element("testsuite", {"name": _text(f"lvdeploy {run.command} {run.service}"), **_counts(run, cases)})
    suite.set("timestamp", datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"))
    suite.append(_properties(run))
    suite.extend(cases)
    root = ET.Element("testsuites", {"name": "lvdeploy", **_counts(run, cases)})
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


# Private


def _properties(run: Run) -> ET.Element:
    properties = ET.Element("properties")
    for name, value in {
        "run": run.id,
        "from": run.from_version,
        "to": run.to_version,
        "exit_code": int(run.exit_code),
        "verdict": run.verdict.value if run.verdict else "none",
        "clients": run.clients.count,
        "sessions": run.clients.sessions,
        "seed": run.seed,
        "lvdeploy": run.lvdeploy,
    }.items():
        ET.SubElement(properties, "property", {"name": name, "value": _text(str(value))})
    return properties


def _rollout_case(run: Run) -> ET.Element:
    """The rollout itself is a case: it can fail without any check, and be right without any."""
    case = ET.Element("testcase", {"classname": _text(f"lvdeploy.{run.service}"), "name": run.command})
    case.set("time", f"{max(0.0, run.ended - run.started):.3f}")
    if run.exit_code == ExitCode.INCONCLUSIVE:
        ET.SubElement(case, "skipped", {"message": "inconclusive, or waiting for a decision"})
    elif run.exit_code != ExitCode.OK:
        bad = [each for each in run.steps if each.outcome and each.outcome not in ("done", "ok")]
        reason = [run.reason] if run.reason else []
        told = "\n".join(reason + [f"{each.name} {each.subject}: {each.outcome} {each.detail}".strip() for each in bad])
        message = f"exit code {int(run.exit_code)}"
        ET.SubElement(case, "failure", {"message": message, "type": "exit_code"}).text = _text(told or message)
    elif run.verdict is None:
        ET.SubElement(case, "skipped", {"message": "done, NOT verified"})
    return case


def _proof_cases(run: Run) -> list[ET.Element]:
    return [_case(run, check, f"proofs.{proof.slot}") for proof in run.proofs for check in proof.checks]


def _case(run: Run, verdict: Verdict, group: str) -> ET.Element:
    case = ET.Element("testcase", {"classname": _text(f"lvdeploy.{run.service}.{group}"), "name": verdict.name})
    case.set("time", "0")
    measured = f"measured {verdict.measured or 'nothing'}, limit {verdict.limit or 'none'}"
    match verdict.outcome:
        case Outcome.FAIL:
            failure = ET.SubElement(case, "failure", {"message": _text(measured), "type": verdict.name})
            failure.text = _text(f"{measured}\n{verdict.evidence}")
        case Outcome.INCONCLUSIVE:
            ET.SubElement(case, "skipped", {"message": _text(f"inconclusive: {verdict.evidence}")})
        case Outcome.PASS:
            ET.SubElement(case, "system-out").text = _text(f"{measured}\n{verdict.evidence}")
    return case


def _counts(run: Run, cases: list[ET.Element]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(each.find("failure") is not None for each in cases)),
        "errors": "0",
        "skipped": str(sum(each.find("skipped") is not None for each in cases)),
        "time": f"{max(0.0, run.ended - run.started):.3f}",
    }


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", mask(text))
