"""``postroad doctor``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from postroad.cli import exits, flags

if TYPE_CHECKING:
    from postroad.cli.doctor.finding import Finding


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deep", action="store_true", help="check every page of the file too; reads all of it")
    flags.engine(parser)
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    from postroad.app.config import engine_url
    from postroad.cli.doctor.finding import WRONG
    from postroad.cli.engine import existing_file

    url = engine_url(options.url)
    file = existing_file(url)
    findings = look(url, file, options.deep)
    show(findings, options.output)
    return exits.FAILED if any(finding.level == WRONG for finding in findings) else exits.OK


def look(url: str, file: Path | None, deep: bool) -> list[Finding]:
    """All findings. An engine that does not open is one of them."""
    import asyncio

    from postroad.cli.doctor import place, traffic
    from postroad.cli.doctor.finding import WRONG, Finding
    from postroad.cli.engine import inspection
    from postroad.errors import EngineError

    findings = place.look(file) if file is not None else []

    async def inside() -> list[Finding]:
        async with inspection(url) as opened:
            return await traffic.look(opened)

    try:
        if deep and file is not None:
            findings.append(place.deep(file))
        findings += asyncio.run(inside())
    except EngineError as error:
        findings.append(Finding(WRONG, "engine", str(error)))
    return findings


def show(findings: list[Finding], output: str) -> None:
    from postroad.cli.output import items
    from postroad.observe.plaintext import line

    if output != "text":
        items(findings, (), output, "")
        return
    for finding in findings:
        print(f"{finding.level:<6} {finding.subject:<13} {line(finding.what)}")
        for name, text in (("why", finding.why), ("do", finding.do)):
            if text:
                print(f"{'':<20} {name}: {line(text)}")
