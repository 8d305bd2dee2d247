"""A send as a row of the outbox, and back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from postroad.core.codec import checked_headers
from postroad.core.message import BODY_BYTES_MAX, KEY_LENGTH_MAX, PRIORITY_MAX, Message, Send
from postroad.core.topology import valid_name
from postroad.errors import InvalidOption, MessageError, PostroadError, TooLarge, Undecodable

ID_LENGTH_MAX = 200
ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder(Send).decode


def identified(send: Send) -> Send:
    """The engine takes it once, however often the relay brings it."""
    if send.message.dedupe and not send.returning:
        return send
    return msgspec.structs.replace(send, message=msgspec.structs.replace(send.message, dedupe=True), returning=False)


def rows_of(sends: Sequence[Send], body_bytes_max: int) -> list[dict[str, Any]]:
    """Raises TooLarge, Unserialisable or InvalidOption for what the engine would not take."""
    now = time.time()
    return [row(identified(checked(send, body_bytes_max)), now) for send in sends]


def row(send: Send, now: float) -> dict[str, Any]:
    key = send.message.key
    return {
        "id": send.message.id,
        "exchange": send.to.exchange,
        "routing_key": send.to.routing_key,
        "key": key if key is None else key.replace("\x00", "\ufffd"),  # for people; PostgreSQL takes no NUL in a text
        "payload": ENCODE(send).decode(),
        "created_at": now,
    }


def checked(send: Send, body_bytes_max: int = BODY_BYTES_MAX) -> Send:
    """The send itself. Its parts are refused here as the verbs would refuse them."""
    message = send.message
    if len(message.body) > body_bytes_max:
        raise TooLarge(
            f"The body of message {message.id} has {len(message.body):,} bytes, over the limit of {body_bytes_max:,}: store it "
            "elsewhere and send a reference."
        )
    checked_headers(message.headers)
    check_parts(message)
    if not send.to.exchange:
        valid_name(send.to.routing_key)
    return send


def check_parts(message: Message) -> None:
    if not message.id or len(message.id) > ID_LENGTH_MAX or not message.id.isprintable():
        raise InvalidOption(f"id={message.id!r:.80}: write 1 to {ID_LENGTH_MAX} printable characters.")
    if message.key is not None and len(message.key) > KEY_LENGTH_MAX:
        raise InvalidOption(
            f"key={message.key[:40]!r}…: it has {len(message.key):,} characters; the limit is {KEY_LENGTH_MAX}."
        )
    if not 0 <= message.priority <= PRIORITY_MAX:
        raise InvalidOption(
            f"priority={message.priority!r}: write a whole number from 0 to {PRIORITY_MAX}, higher is sooner."
        )


def send_of(payload: str | bytes) -> Send:
    """Raises Undecodable, with words, for what no engine could take."""
    try:
        return identified(checked(DECODE(payload)))
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        if isinstance(error, MessageError):
            raise
        raise Undecodable(f"the payload is no message: {error}") from error
    except PostroadError as error:
        raise Undecodable(str(error)) from error
