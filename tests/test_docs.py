"""The pages of docs/: what they tell a reader to change and to run is changed and run.

A ``diff`` block is applied to a copy of the sources, a block with ``file=`` is written there, and
of a block of commands each line after ``$`` is run; lines without it have to stand in the output.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("theory", "numerics", "derivations")
FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = [
    (page.name, title.partition("\n")[0], title)
    for page in sorted((ROOT / "docs").glob("*.md"))
    for title in page.read_text(encoding="utf-8").split("\n## ")[1:]
    if "```diff" in title or "\n$ " in title
]


@pytest.fixture
def copy(tmp_path):
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def run(arguments, folder, **more):
    environment = os.environ | {"PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, **more
    )


def follow(text, folder):
    """Do what the blocks of a section say, in their order."""
    for info, body in FENCE.findall(text):
        if info == "diff":
            done = run(["git", "apply", "-"], folder, input=body)
            assert done.returncode == 0, done.stderr
        elif "file=" in info:
            (folder / info.partition("file=")[2]).write_text(body, encoding="utf-8")
        elif not info:
            expected = []
            output = ""
            for line in body.splitlines():
                if line.startswith("$ "):
                    output += fisherfield(line.removeprefix("$ "), folder)
                else:
                    expected.append(line)
            for line in expected:
                assert line in output


def fisherfield(line, folder):
    name, *arguments = shlex.split(line)
    assert name == "fisherfield"
    done = run([sys.executable, "-m", "derivations.cli", *arguments], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("page", "title", "text"), SECTIONS, ids=[f"{page}: {title}" for page, title, _ in SECTIONS]
)
def test_page_can_be_followed(page, title, text, copy):
    follow(text, copy)


def test_pages_are_found():
    assert {title for _, title, _ in SECTIONS} >= {"An activation", "A normalization", "A theorem"}


def test_page_that_no_longer_applies_is_noticed(copy):
    wrong = "```diff\n--- a/theory/errors.py\n+++ b/theory/errors.py\n@@ -1 +1 @@\n-no\n+yes\n```\n"
    with pytest.raises(AssertionError):
        follow(wrong, copy)


def test_verdict_that_is_not_reached_is_noticed(copy):
    with pytest.raises(AssertionError):
        follow("```\n$ fisherfield list\nREFUTED\n```\n", copy)
