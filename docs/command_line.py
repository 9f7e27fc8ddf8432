"""Sphinx directives that generate the command line reference from the programs, so that it is always up to date."""

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
    """Documents every command of `stt`, with its arguments and options."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        from stt.cli.main import app

        root = typer.main.get_command(app)
        return list(describe_command(root, typer.Context(root, info_name="stt")))


class TrainOptions(SphinxDirective):
    """Documents every option of `train.py fit`, grouped by section."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        return list(describe_parser(training_parser("fit")))


def describe_command(command: Any, context: Any) -> Iterator[nodes.Node]:
    """Describe a command and its subcommands from Typer's help; typed as Any because Typer's click is not public."""
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
        subcommand = command.get_command(context, name)
        inner = typer.Context(subcommand, info_name=name, parent=context)
        yield section(inner.command_path, *describe_command(subcommand, inner))


def training_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser that LightningCLI uses for a subcommand of train.py."""
    from lightning.pytorch.cli import LightningCLI

    class Parsed(BaseException):  # must not be caught by `except Exception`
        """Carries the parser."""

    def stop(cli: LightningCLI, parser: argparse.ArgumentParser, args: Any) -> None:
        raise Parsed(parser)

    with mock.patch.object(LightningCLI, "parse_arguments", stop):
        try:
            runpy.run_path(str(TRAIN), run_name="__main__")
        except Parsed as parsed:
            action = next(one for one in parsed.args[0]._actions if isinstance(one, argparse._SubParsersAction))
            subparser: argparse.ArgumentParser = action._name_parser_map[name]
            return subparser
    raise RuntimeError(f"{TRAIN} did not parse its command line")


def describe_parser(parser: argparse.ArgumentParser) -> Iterator[nodes.Node]:
    """Describe the groups of a parser, with the first paragraph of each help text, as Lightning's are very long."""
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
    """Build a section that can be linked to by its title."""
    return nodes.section("", nodes.title(title, title), *content, ids=[nodes.make_id(title)], names=[title])


def definitions(records: list[tuple[str, str]]) -> nodes.Node:
    """Build a definition list of options and their help."""
    items = []
    for names, text in records:
        term = nodes.term("", "", nodes.literal(names, names))
        items.append(nodes.definition_list_item("", term, nodes.definition("", paragraph(text))))
    return nodes.definition_list("", *items)


def paragraph(text: str) -> nodes.paragraph:
    """Build a paragraph of plain text in which only backticks are markup."""
    node = nodes.paragraph()
    for i, part in enumerate(re.split(r"`+", " ".join(text.replace(f"{ROOT}/", "").split()))):
        node += nodes.literal(part, part) if i % 2 else nodes.Text(part)
    return node


def verbatim(text: str) -> nodes.literal_block:
    """Build a literal block."""
    return nodes.literal_block(text, text, language="none")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("stt-commands", SttCommands)
    app.add_directive("train-options", TrainOptions)
    return {"parallel_read_safe": True}
