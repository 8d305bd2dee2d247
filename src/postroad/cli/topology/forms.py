"""A topology as text, as Python that declares it, and as pictures (Mermaid, Graphviz)."""

from __future__ import annotations

import json
from collections.abc import Callable

from postroad.core.topology import Binding, Exchange, Queue, Topology


def text(topology: Topology) -> str:
    lines = [
        *(f"queue     {queue.name}{said(arguments_of(queue))}" for queue in topology.queues),
        *(f"exchange  {one.name}  {one.kind}{alternate(one)}" for one in topology.exchanges),
        *(f"binding   {binding.words()}" for binding in topology.bindings),
    ]
    return "\n".join(lines) or "Nothing is declared."


def arguments_of(queue: Queue) -> dict[str, object]:
    """Those that are not as they always are."""
    plain = Queue(queue.name)
    names = [name for name in queue.__struct_fields__ if name != "name"]
    return {name: getattr(queue, name) for name in names if getattr(queue, name) != getattr(plain, name)}


def said(arguments: dict[str, object]) -> str:
    return "".join(f"  {name}={value}" for name, value in arguments.items())


def alternate(exchange: Exchange) -> str:
    return f", else {exchange.alternate}" if exchange.alternate else ""


OPTIONS = {
    "max_length": "max_length",
    "overflow": "overflow",
    "ttl_s": "ttl",
    "priority_max": "max_priority",
    "exclusive": "exclusive",
}


def python(topology: Topology) -> str:
    """Lines that declare the same. Queues of tasks and of groups are declared by tasks and subscribers."""
    names = [queue.name for queue in topology.queues] + [one.name for one in topology.exchanges]
    variables = {name: f"part_{number}" for number, name in enumerate(names, 1)}
    lines = ["from postroad import App", "", "app = App()"]
    lines += [declared_queue(variables[queue.name], queue) for queue in topology.queues]
    lines += [f"{variables[one.name]} = {declared_exchange(one)}" for one in topology.exchanges]
    lines += [f"{variables[one.exchange]}.bind({variables[one.to]}{bound(one)})" for one in topology.bindings]
    return "\n".join(lines)


def declared_queue(variable: str, queue: Queue) -> str:
    options = {OPTIONS[name]: value for name, value in arguments_of(queue).items() if name in OPTIONS}
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    remark = {"tasks": "  # carries tasks", "events": "  # a group's: declared by its subscriber"}.get(
        queue.carries, ""
    )
    return f"{variable} = app.queue({queue.name!r}{given}){remark}"


def declared_exchange(exchange: Exchange) -> str:
    alternate = f", alternate={exchange.alternate!r}" if exchange.alternate else ""
    return f"app.exchange({exchange.name!r}, {exchange.kind!r}{alternate})"


def bound(binding: Binding) -> str:
    if binding.headers:
        return f", headers={binding.headers!r}, match={binding.match!r}"
    return f", {binding.pattern!r}" if binding.pattern else ""


def mermaid(topology: Topology) -> str:
    ids = ids_of(topology)
    lines = ["flowchart LR"]
    lines += [f"    {ids[True, one.name]}{{{{{quoted(f'{one.name} ({one.kind})')}}}}}" for one in topology.exchanges]
    lines += [f"    {ids[False, queue.name]}[({quoted(queue.name)})]" for queue in topology.queues]
    for one in topology.bindings:
        arrow = f"-->|{quoted(words_of(one))}|" if words_of(one) else "-->"
        lines.append(f"    {ids[True, one.exchange]} {arrow} {ids[one.to_exchange, one.to]}")
    lines += [
        f"    {ids[True, one.name]} -.->|else| {ids[True, one.alternate]}"
        for one in topology.exchanges
        if one.alternate
    ]
    return "\n".join(lines)


def dot(topology: Topology) -> str:
    ids = ids_of(topology)
    lines = ["digraph postroad {", "    rankdir=LR;"]
    lines += [
        f"    {ids[True, one.name]} [shape=hexagon, label={json.dumps(f'{one.name} ({one.kind})')}];"
        for one in topology.exchanges
    ]
    lines += [
        f"    {ids[False, queue.name]} [shape=cylinder, label={json.dumps(queue.name)}];" for queue in topology.queues
    ]
    lines += [
        f"    {ids[True, one.exchange]} -> {ids[one.to_exchange, one.to]} [label={json.dumps(words_of(one))}];"
        for one in topology.bindings
    ]
    lines += [
        f'    {ids[True, one.name]} -> {ids[True, one.alternate]} [style=dashed, label="else"];'
        for one in topology.exchanges
        if one.alternate
    ]
    return "\n".join([*lines, "}"])


def ids_of(topology: Topology) -> dict[tuple[bool, str], str]:
    """A word for every exchange (True) and queue (False): names may hold anything."""
    exchanges = [one.name for one in topology.exchanges] + [one.exchange for one in topology.bindings]
    exchanges += [one.alternate for one in topology.exchanges if one.alternate]
    exchanges += [one.to for one in topology.bindings if one.to_exchange]
    queues = [queue.name for queue in topology.queues] + [one.to for one in topology.bindings if not one.to_exchange]
    ids = {(True, name): f"e{number}" for number, name in enumerate(dict.fromkeys(exchanges), 1)}
    return ids | {(False, name): f"q{number}" for number, name in enumerate(dict.fromkeys(queues), 1)}


def words_of(binding: Binding) -> str:
    if not binding.headers:
        return binding.pattern
    return f"{binding.match} of " + ", ".join(f"{name}={value}" for name, value in binding.headers.items())


def quoted(words: str) -> str:
    """As Mermaid takes any text."""
    return '"' + words.replace("#", "#35;").replace('"', "#quot;").replace("\n", " ") + '"'


FORMS: dict[str, Callable[[Topology], str]] = {"text": text, "python": python, "mermaid": mermaid, "dot": dot}
