"""What the fake Slack holds and what its journals record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class SlackError(Exception):
    """A refusal in Slack's words: HTTP 200, ``ok`` false and a code, with more fields where Slack gives them."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Slack's own durations in seconds; each is multiplied by the fake's ``time_scale``."""

    ack_deadline: float = 3.0
    event_retries: tuple[float, ...] = (0.0, 60.0, 300.0)
    trigger_ttl: float = 3.0
    ticket_ttl: float = 30.0
    response_url_ttl: float = 1800.0
    rate_window: float = 60.0
    post_interval: float = 1.0
    file_ready: float = 0.2
    edit_window: float | None = None


@dataclass(kw_only=True)
class User:
    id: str
    name: str
    is_bot: bool = False


@dataclass(kw_only=True)
class Channel:
    id: str
    name: str
    private: bool = False
    im: bool = False
    archived: bool = False
    posting: str = "open"
    members: set[str] = field(default_factory=set)
    messages: dict[str, Message] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The word Slack's scopes use for this kind of channel."""
        return "im" if self.im else "groups" if self.private else "channels"


@dataclass(frozen=True, kw_only=True)
class Version:
    """A message as it was from ``at`` (monotonic) on."""

    at: float
    text: str
    blocks: list[Json]
    metadata: Json | None = None


@dataclass(kw_only=True, eq=False)
class Message:
    """One message as it is now; ``edits`` keeps every version, the post itself first."""

    channel: str
    ts: str
    user: str | None
    text: str
    blocks: list[Json] = field(default_factory=list)
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    thread_ts: str | None = None
    subtype: str | None = None
    broadcast: bool = False
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    files: list[Json] = field(default_factory=list)
    reactions: dict[str, set[str]] = field(default_factory=dict)
    edits: list[Version] = field(default_factory=list)
    edited_ts: str | None = None
    deleted: bool = False

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def buttons(self) -> list[str]:
        """The action ids that a person could use on it now."""
        return [element["action_id"] for _, element in live_elements(self.blocks)]

    def keep(self) -> None:
        """Adds what the message is now to its history."""
        version = Version(at=time.monotonic(), text=self.text, blocks=self.blocks, metadata=self.metadata)
        self.edits.append(version)


def live_elements(blocks: list[Json]) -> list[tuple[Json, Json]]:
    """Every (block, element) pair that a person can press or choose from."""
    found: list[tuple[Json, Json]] = []
    for block in blocks:
        candidates = block.get("elements", []) if block["type"] == "actions" else []
        candidates = [*candidates, *([block["accessory"]] if "accessory" in block else [])]
        if block["type"] == "input" and block.get("dispatch_action"):
            candidates = [*candidates, block["element"]]
        found += [(block, element) for element in candidates if "action_id" in element]
    return found


@dataclass(kw_only=True)
class Call:
    """One request to the Web API or the upload host. ``took`` is in seconds; ``status`` 0 means the connection was reset."""

    method: str
    verb: str
    args: Json
    at: float
    status: int = 0
    error: str | None = None
    took: float = 0.0
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ephemeral:
    """A message only ``user`` saw. ``via`` is chat.postEphemeral, response_url or ack."""

    at: float
    user: str
    channel: str
    text: str
    blocks: list[Json]
    via: str
    thread_ts: str | None = None


@dataclass(kw_only=True)
class Attempt:
    """One sending of an envelope. ``late`` says the acknowledgement came after the deadline."""

    envelope_id: str
    connection: int
    sent_at: float
    acked_at: float | None = None
    acked_by: int | None = None
    late: bool = False


@dataclass(kw_only=True)
class Delivery:
    """One payload on its way to the app, with every attempt to hand it over."""

    type: str
    payload: Json
    accepts: bool
    attempts: list[Attempt] = field(default_factory=list)
    error: str | None = None
    acked_at: float | None = None
    ack_payload: Json | None = None
    done: bool = False


@dataclass(frozen=True, kw_only=True)
class Ack:
    """How the app acknowledged what a person did. ``latency`` is in real seconds, None when it never came."""

    latency: float | None
    payload: Json
    error: str | None
    trigger_id: str
    response_url: str | None
    delivery: Delivery

    @property
    def text(self) -> str:
        """The words the acknowledgement itself carried."""
        return str(self.payload.get("text", ""))


FAULT_KINDS = ("429", "5xx", "html", "error", "reset_before", "reset_after", "slow", "slow_after", "truncate_json")
AFTER_THE_DEED = frozenset({"reset_after", "slow_after", "truncate_json"})


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong ``times`` times with calls of ``method`` that ``when`` accepts."""

    method: str
    kind: str
    times: int = 1
    when: Callable[[Json], bool] | None = None
    status: int = 503
    error: str = "internal_error"
    retry_after: int = 1
    delay: float = 1.0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"no fault of kind {self.kind!r}; there are {', '.join(FAULT_KINDS)}")

    def meets(self, method: str, args: Json) -> bool:
        """Whether it is armed for this call."""
        return self.times > 0 and self.method in (method, "*") and (self.when is None or self.when(args))

    def fire(self) -> None:
        self.times -= 1
        self.fired += 1


@dataclass(kw_only=True)
class View:
    """A modal or a Home tab as a user sees it now."""

    id: str
    user: str
    payload: Json
    hash: str
    root_id: str
    previous_id: str | None = None

    @property
    def blocks(self) -> list[Json]:
        return self.payload["blocks"]


@dataclass(kw_only=True)
class File:
    """An upload. It is ``ready`` some time after completion, and only then shared and usable in an image block."""

    id: str
    name: str
    length: int
    alt_txt: str
    title: str = ""
    content: bytes | None = None
    completed: bool = False
    ready: bool = False
    shares: dict[str, list[Json]] = field(default_factory=dict)
