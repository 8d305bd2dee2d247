"""``postroad worker``: run an app's tasks."""

from __future__ import annotations

import argparse

from postroad.cli import flags, settings
from postroad.errors import InvalidOption

LOG_SETUP = "postroad.observe.logs:configure"
SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="MODULE:APP", nargs="?", help="where the app is, as shop.tasks:app")
    parser.add_argument("-Q", "--queues", metavar="A,B", help="only these queues (default: all that the app declares)")
    parser.add_argument("-p", "--processes", type=flags.count, metavar="N", help="child processes (1)")
    parser.add_argument("-t", "--threads", type=flags.count, metavar="N", help="threads for 'def' tasks, a child (4)")
    parser.add_argument(
        "-c", "--concurrency", type=flags.count, metavar="N", help="'async def' tasks at once, a child (100)"
    )
    parser.add_argument("--prefetch", type=flags.count, metavar="N", help="most messages a child holds (1000)")
    parser.add_argument(
        "--drain", type=flags.duration, metavar="DURATION", help="how long SIGTERM lets tasks finish (30s)"
    )
    parser.add_argument(
        "--stall-limit",
        type=flags.duration,
        metavar="DURATION",
        help="replace a child that shows no life for so long (10m)",
    )
    parser.add_argument("--max-tasks-per-child", type=flags.count, metavar="N", help="replace a child after N tasks")
    parser.add_argument("--max-memory-per-child", type=size, metavar="SIZE", help="replace a child above SIZE, as 500M")
    parser.add_argument("--reload", action="store_true", help="start the children again when source files change")
    parser.add_argument("--log", choices=("text", "json"), help="how log lines look (text)")
    parser.add_argument("--log-level", type=str.upper, metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR (INFO)")
    parser.add_argument("--ready-file", metavar="PATH", help="a file that is there while all children take tasks")
    flags.engine(parser)


def size(text: str) -> int:
    """Bytes, from "500M" or "2G"."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].lower() in SIZES else (text, "")
    if not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write bytes, or a number and one of K M G")
    return int(number) * SIZES.get(unit, 1)


def run(options: argparse.Namespace) -> int:
    from postroad.worker.options import WorkerOptions
    from postroad.worker.supervisor import serve

    app = settings.text(options.app, "app")
    if not app:
        raise InvalidOption(
            "Which app? Write 'postroad worker module:app', or app = \"module:app\" in [tool.postroad] of pyproject.toml."
        )
    worker_options = WorkerOptions(
        app=app,
        url=options.url,
        queues=tuple(name for name in settings.text(options.queues, "queues").split(",") if name),
        processes=settings.number(options.processes, "processes", 1),
        threads=settings.number(options.threads, "threads", 4),
        concurrency=settings.number(options.concurrency, "concurrency", 100),
        prefetch=settings.number(options.prefetch, "prefetch", 1000),
        drain_s=30.0 if options.drain is None else options.drain,
        stall_limit_s=600.0 if options.stall_limit is None else options.stall_limit,
        max_tasks_per_child=options.max_tasks_per_child,
        max_memory_per_child=options.max_memory_per_child,
        reload=options.reload,
        log_format=settings.text(options.log, "log", "text"),
        log_level=settings.text(options.log_level, "log_level", "INFO"),
        log_setup=LOG_SETUP,
        ready_file=options.ready_file,
    )
    return serve(worker_options)
