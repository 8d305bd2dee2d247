"""``postroad top``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from postroad.cli import exits, flags

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

REDRAW_S = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once", action="store_true", help="one picture, then end; so it is when stdout is no terminal"
    )
    parser.add_argument(
        "--window",
        type=flags.duration,
        default=60.0,
        metavar="DURATION",
        help="of which counts, rates and times are (1m)",
    )
    parser.add_argument("--count", type=flags.count, metavar="N", help="end after so many pictures")
    flags.engine(parser)
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    import asyncio

    from postroad.app.config import engine_url
    from postroad.cli.engine import inspection

    async def looked() -> int:
        async with inspection(engine_url(options.url)) as opened:
            return await draw(opened, options)

    return asyncio.run(looked())


async def draw(inspection: Inspection, options: argparse.Namespace) -> int:
    """Until Ctrl-C; once where nobody watches, unless --count asks for more."""
    import asyncio

    from postroad.cli.output import clear_screen
    from postroad.cli.top.picture import Pictures

    pictures = Pictures(inspection, options.window)
    left = options.count or (1 if options.once or not sys.stdout.isatty() else 0)
    while True:
        text = (await pictures.next()).shown(options.output)
        clear_screen()
        print(text, flush=True)
        left -= 1
        if left == 0:
            return exits.OK
        await asyncio.sleep(REDRAW_S)
