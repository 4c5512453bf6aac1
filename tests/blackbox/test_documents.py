"""What the documents say of files, commands and settings is there."""

import re
import subprocess

import pytest

from harness.service import ROOT, evently

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert link.startswith("https://") or (path.parent / link).exists(), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_commands_and_folders_that_are_named_exist(path):
    text = path.read_text()
    settings = set(re.findall(r"^\| `([A-Z_]+)`", evently("config", "--markdown").stdout.decode(), re.M))
    named = set(re.findall(r"`([A-Z]{2,}(?:_[A-Z]+)+)(?:=[^`]*)?`", text)) - {"MUST_CHECK", "NAME_FILE", "SOURCE_DATE_EPOCH"}
    named -= {f"{setting}_FILE" for setting in settings}
    assert named <= settings, named - settings
    commands = set(re.findall(r"^  ([a-z]+)  ", evently("help").stdout.decode(), re.M))
    named = set(re.findall(r"`(?:build/)?evently ([a-z]+)", text))
    assert named <= commands, named - commands
    for folder in re.findall(r"`((?:src|tests|tools|deploy|docs|migrations)/[\w./-]*)`", text):
        assert "FOLDER" in folder or (ROOT / folder).exists(), folder


def test_commands_of_the_front_door_are_in_its_help():
    shown = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    for path in DOCUMENTS:
        for command in re.findall(r"`?\./dev ([a-z]+)", path.read_text()):
            assert re.search(rf"^  {command}\b", shown, re.M), command
