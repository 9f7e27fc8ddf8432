"""Directives that write the command line reference from the programs themselves, so that it cannot be out of date."""

from __future__ import annotations

import argparse
import copy
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).parents[1]
TRAIN = ROOT / "train.py"


class SttCommands(SphinxDirective):
    """Every command of `stt`, with its arguments and options."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        from stt.cli.main import app

        root = typer.main.get_command(app)
        return list(describe_command(root, typer.Context(root, info_name="stt")))


class TrainOptions(SphinxDirective):
    """Every option of `train.py fit`, by what it sets."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        return list(describe_parser(training_parser("fit")))


def describe_command(command: Any, context: Any) -> Iterator[nodes.Node]:
    """Describe a command, and those below it, by Typer's own help; of Any as Typer's click is not public."""
    first, _, rest = (command.help or "").partition("\n\n")
    yield paragraph(first)
    if rest:
        yield verbatim(rest)
    if not hasattr(command, "list_commands"):
        yield verbatim(" ".join([context.command_path, *command.collect_usage_pieces(context)]))
    shown = [one for one in command.params if "completion" not in one.name]
    records = [record for one in shown if (record := one.get_help_record(context))]
    yield definitions([record for record in records if any(record)])
    for name in command.list_commands(context) if hasattr(command, "list_commands") else []:
        below = command.get_command(context, name)
        inner = typer.Context(below, info_name=name, parent=context)
        yield section(inner.command_path, *describe_command(below, inner))


def training_parser(name: str) -> argparse.ArgumentParser:
    """Give the parser of a subcommand of train.py: what LightningCLI is about to parse with."""
    from lightning.pytorch.cli import LightningCLI

    class Parsed(BaseException):  # nothing on the way may catch it
        """Carries the parser."""

    def stop(cli: LightningCLI, parser: argparse.ArgumentParser, args: Any) -> None:
        raise Parsed(parser)

    with mock.patch.object(LightningCLI, "parse_arguments", stop):
        try:
            runpy.run_path(str(TRAIN), run_name="__main__")
        except Parsed as parsed:
            action = next(one for one in parsed.args[0]._actions if isinstance(one, argparse._SubParsersAction))
            found: argparse.ArgumentParser = action._name_parser_map[name]
            return found
    raise RuntimeError(f"{TRAIN} did not parse its command line")


def describe_parser(parser: argparse.ArgumentParser) -> Iterator[nodes.Node]:
    """Describe the groups of a parser; of an option's help the first paragraph, as Lightning's go on for pages."""
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        records = []
        for action in group._group_actions:
            name = next((one for one in action.option_strings if one.startswith("--")), "")
            if not name or name.endswith(".help") or "ConfigLoad" in type(action).__name__:
                continue
            brief = copy.copy(action)
            brief.help = (action.help or "").partition("\n\n")[0].replace("%", "%%")
            text = re.sub(r", known subclasses: [^)]*", "", formatter._expand_help(brief))
            records.append((name, text))
        if records:
            sections = " ".join(dict.fromkeys(name.partition(".")[0] for name, _ in records))
            about = () if group.title == "options" else (paragraph(group.title or ""),)
            yield section(sections if about else "General options", *about, definitions(records))


def section(title: str, *content: nodes.Node) -> nodes.section:
    """Make a section that can be linked to by its title."""
    return nodes.section("", nodes.title(title, title), *content, ids=[nodes.make_id(title)], names=[title])


def definitions(records: list[tuple[str, str]]) -> nodes.Node:
    """Lay out options with their help."""
    items = []
    for names, text in records:
        term = nodes.term("", "", nodes.literal(names, names))
        items.append(nodes.definition_list_item("", term, nodes.definition("", paragraph(text))))
    return nodes.definition_list("", *items)


def paragraph(text: str) -> nodes.paragraph:
    """Make a paragraph of plain text in which only backticks mean something."""
    made = nodes.paragraph()
    for i, part in enumerate(re.split(r"`+", " ".join(text.replace(f"{ROOT}/", "").split()))):
        made += nodes.literal(part, part) if i % 2 else nodes.Text(part)
    return made


def verbatim(text: str) -> nodes.literal_block:
    """Make a block of text that stays as it is."""
    return nodes.literal_block(text, text, language="none")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("stt-commands", SttCommands)
    app.add_directive("train-options", TrainOptions)
    return {"parallel_read_safe": True}
