"""``postroad topology``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import bodies, exits, flags
from postroad.cli.engine import confirmed, look
from postroad.cli.output import as_json, did, items, several
from postroad.errors import NotFound
from postroad.observe.plaintext import line

if TYPE_CHECKING:
    from postroad.core.topology import Binding, Change, Topology
    from postroad.observe.inspect import Inspection

FORMS = ("json", "python", "mermaid", "dot", "text")


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.engine(parser)
    flags.output(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    app_help = "where the app is, as shop.tasks:app (default: app in [tool.postroad])"
    flags.verb(verbs, "plan", "say what 'apply' would do").add_argument(
        "app", metavar="MODULE:APP", nargs="?", help=app_help
    )
    apply = flags.verb(verbs, "apply", "declare what the app declares; nothing is ever removed")
    apply.add_argument("app", metavar="MODULE:APP", nargs="?", help=app_help)
    flags.sure(apply)
    export = flags.verb(verbs, "export", "print what the engine has; with an app, what that declares")
    export.add_argument("app", metavar="MODULE:APP", nargs="?", help="its declarations, rather than the engine's")
    export.add_argument(
        "--format", choices=FORMS, default="json", help="json (the default), or for people and pictures"
    )
    unbind = flags.verb(verbs, "unbind", "remove a binding: TO gets no more of what EXCHANGE has for it")
    unbind.add_argument("exchange", metavar="EXCHANGE")
    unbind.add_argument("to", metavar="TO", help="the queue, or the exchange")
    unbind.add_argument("--pattern", metavar="TEXT", help="only the binding by this pattern or key")
    bodies.header_argument(unbind)
    flags.sure(unbind)
    delete = flags.verb(verbs, "delete-exchange", "remove an exchange with its bindings")
    delete.add_argument("exchange", metavar="NAME")
    flags.sure(delete)


def run(options: argparse.Namespace) -> int:
    from postroad.cli.topology import declared

    if options.verb == "export" and options.app:
        return show(declared.of_app(options).topology(), options)
    verbs = {"export": export, "unbind": unbind, "delete-exchange": delete_exchange}
    if options.verb in verbs:
        return look(options, lambda inspection: verbs[options.verb](inspection, options))
    return declared.plan(options) if options.verb == "plan" else declared.apply(options)


async def export(inspection: Inspection, options: argparse.Namespace) -> int:
    return show(await inspection.topology(), options)


def show(topology: Topology, options: argparse.Namespace) -> int:
    from postroad.cli.topology import forms
    from postroad.observe.plaintext import block

    if options.format == "json" or options.output != "text":
        print(as_json(topology, indent=0 if options.output == "jsonl" else 2))
    else:
        print(block(forms.FORMS[options.format](topology)))
    return exits.OK


def tell(changes: list[Change], options: argparse.Namespace) -> None:
    """The plan in words."""
    if options.output != "text":
        rows = [{"action": change.action, "words": change.words, "what": change.what} for change in changes]
        items(rows, (), options.output, "")
        return
    for change in changes:
        print(line(f"{change.action:<9} {change.words}"))
    if not changes:
        print("Nothing to do: all that the app declares is there.")


async def unbind(inspection: Inspection, options: argparse.Namespace) -> int:
    found = [one for one in (await inspection.topology()).bindings if meant(one, options)]
    if not found:
        raise NotFound(
            f"{options.exchange!r} has no such binding to {options.to!r}; 'postroad topology export' shows all."
        )
    code = confirmed(options, "".join(f"\n    unbind {binding.words()}" for binding in found).strip())
    if code is not None:
        return code
    count = sum([await inspection.engine.unbind(binding) for binding in found])
    did({"count": count}, f"removed {several(count, 'binding')}", options.output)
    return exits.OK


def meant(binding: Binding, options: argparse.Namespace) -> bool:
    return (
        (binding.exchange, binding.to) == (options.exchange, options.to)
        and options.pattern in (None, binding.pattern)
        and dict(options.header).items() <= binding.headers.items()
    )


async def delete_exchange(inspection: Inspection, options: argparse.Namespace) -> int:
    topology = await inspection.topology()
    if all(exchange.name != options.exchange for exchange in topology.exchanges):
        raise NotFound(f"There is no exchange {options.exchange!r}; 'postroad topology export' shows all.")
    ends = [one for one in topology.bindings if options.exchange in (one.exchange, one.to if one.to_exchange else None)]
    code = confirmed(options, f"delete exchange {options.exchange!r} with {several(len(ends), 'binding')}")
    if code is not None:
        return code
    await inspection.engine.delete_exchange(options.exchange)
    did({"bindings": len(ends)}, f"deleted exchange {options.exchange!r}", options.output)
    return exits.OK
