"""What the documents promise is there: commands, options, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scunext_edge import cli

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def commands():
    for command in cli.app.registered_commands:
        yield command.name or command.callback.__name__
    for group in cli.app.registered_groups:
        for command in group.typer_instance.registered_commands:
            yield f"{group.name} {command.name or command.callback.__name__}"


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(path):
    """Headings as a link names them: lower case, hyphens for spaces, no punctuation."""
    text = without_code(path.read_text(encoding="utf-8"))
    found = set()
    for heading in re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading)).strip().lower()
        found.add(plain.replace(" ", "-"))
    return found


def links():
    for path in DOCUMENTS:
        text = without_code(path.read_text(encoding="utf-8"))
        targets = {first or second for first, second in LINK.findall(text)}
        for target in sorted(targets):
            if not re.match(r"[a-z]+:", target):
                yield pytest.param(path, target, id=f"{path.relative_to(ROOT)}-{target}")


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_is_in_the_readme(command):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"scunext-edge {command}\b", text)


@pytest.mark.parametrize(("path", "target"), list(links()))
def test_links_lead_somewhere(path, target):
    name, _, anchor = target.partition("#")
    file = path.parent / name if name else path
    assert file.exists(), f"{path.name} links to {target}"
    if anchor:
        assert anchor in anchors(file), f"{file.name} has no heading #{anchor}"


def test_every_document_is_reached_from_the_readme():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        if path in reached or path.suffix != ".md" or not path.is_file():
            continue
        reached.add(path)
        text = without_code(path.read_text(encoding="utf-8"))
        names = [(first or second).split("#")[0] for first, second in LINK.findall(text)]
        ahead += [(path.parent / name).resolve() for name in names if name and ":" not in name]
    lost = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS if path not in reached}
    assert not lost


def test_options_in_the_readme_exist():
    """An option in an example line of a command is one that this command has."""
    from typer.main import get_command

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    root = get_command(cli.app)
    lines = re.findall(r"^\$? ?scunext-edge (.+)$", text, flags=re.MULTILINE)
    assert lines
    for line in lines:
        words = line.split("#")[0].split()
        command = root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        command = getattr(command, "commands", {}).get(getattr(command, "default", None), command)
        known = {option for it in command.params for option in it.opts} | {"--help"}
        used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known, f"{command.name}: {sorted(used - known)}"
