"""A first configuration from a kubeconfig, with every key explained, for a person to edit.

Only paths and contexts are written: what the kubeconfig holds stays there, and is read in each investigation.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.adapters.kubeconfig.files import Entry, contexts, get_contexts, read_entry
from bot.config_form import RESERVED_NAMES
from bot.document import did_you_mean
from bot.errors import ApidownError, ConfigError, UsageError
from bot.model.target import Target

_HEAD = """\
# The clusters, channels and people of apidown. docs/configuration.md explains every key; `apidown doctor` checks this file.
# Paths are relative to this file. It holds no secrets: the kubeconfigs that it names do, and they are read when an
# investigation needs them, so they may change.

clusters:
"""
_FIRST = """\
    # aliases: [production]               # other names that people type
    # channels: [C0123ABCD]               # the Slack channels that mean this cluster when none is named
    # incident_channel: C0123ABCD         # where alerts start an investigation; left out: the first of its channels
    # controls: ["other.example.com:443"] # what answers whatever happens to this cluster: it shows a fault at our own end
    # nodes: ["10.0.0.11:6443"]           # control-plane nodes; a pasted address of one means this cluster
    # balancer: {haproxy: "http://lb.example.com:8404/stats"}   # what is in front of the nodes and tells of them
    # prometheus: http://prometheus.example.com:9090   # what it scraped before and since
    # etcd: {endpoints: ["10.0.0.11:2381"], scheme: http}   # its members, where they tell their health
    # resolvers: ["192.0.2.53"]           # DNS servers elsewhere, whose answers are compared with this machine's
    # provider: aws                       # what its nodes must reach follows from it
"""
_TAIL = """\

# Channels that may ask about some clusters only, or whose default cluster is not said above.
# channels:
#   C0123ABCD:
#     cluster: {name}
#     allow_clusters: [{name}]

# May people ask about servers that are not listed here? allow, or refuse.
# bare_urls: allow

# Who may start, cancel and re-run; left out, everybody may.
# may_start:
#   users: [U0123ABCD]
#   groups: [S0123ABCD]                   # Slack user groups; needs the scope usergroups:read

# Which alerts start an investigation by themselves; left out, the usual ones of an API server.
# alerts:
#   cluster_label: cluster                # the label that names the cluster
#   {default}# of alerts without that label

# For every cluster, besides its own.
# controls: ["1.1.1.1:443"]

# A folder of your own playbooks and causes, on top of the installed ones.
# playbooks: playbooks
"""

_OTHERWISE = "give another one: --kubeconfig FILE; or write the file by hand, as docs/configuration.md shows"
_CLOUD = re.compile(r"arn:[^/]*:cluster/|gke_[^_]+_[^_]+_")
"""What clouds put before a cluster's own name in a context."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One context that gives a cluster. ``server`` is empty when it is not a URL. ``remarks`` say what of the kubeconfig
    apidown does not do, or needs where it runs."""

    name: str
    context: str
    file: Path
    server: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """What kubeconfigs have: the clusters, and a sentence for each context that gives none."""

    clusters: list[Found]
    left_out: list[str]


def find(files: Sequence[Path], context: str | None) -> Contexts:
    """The clusters of these kubeconfigs, the current context first; of one context only where it is named.

    Raises ConfigError when no file can be read, and UsageError for a context that is in none.
    """
    present = [path for path in files if len(files) == 1 or path.exists()]
    shown = ", ".join(map(str, files))
    if not present:
        raise ConfigError("none of these files is there", where=shown, next=_OTHERWISE)
    read = {path: _contexts(path, alone=len(files) == 1) for path in present}
    named = {name: path for path in reversed(present) for name in read[path][0]}
    current = next((chosen for path in present if (chosen := read[path][1])), None)
    if context is not None and context not in named:
        raise UsageError(f"there is no context '{context}'", nearest=did_you_mean(context, named), next=get_contexts(files))
    if context is not None:
        read_entry([named[context]], context)
    left_out: list[str] = []
    wanted = [context] if context else sorted(named, key=lambda name: name != current)
    entries = _entries_of(named, wanted, left_out)
    if not entries:
        raise ConfigError("no context in it gives a cluster", where=shown, nearest=" ".join(left_out[:5]), next=_OTHERWISE)
    names = _names(list(entries))
    clusters = [_found(names[name], name, named[name], entry) for name, entry in entries.items()]
    return Contexts(clusters=clusters, left_out=left_out)


def _contexts(path: Path, *, alone: bool) -> tuple[list[str], str | None]:
    try:
        return contexts(path, alone=alone)
    except ConfigError as error:
        raise ConfigError(error.what, where=error.where, nearest=error.nearest, next=error.next or _OTHERWISE) from error


def _entries_of(named: Mapping[str, Path], wanted: Sequence[str], left_out: list[str]) -> dict[str, Entry]:
    """Without the contexts that name no cluster: they may be left over from one that is gone."""
    entries = {}
    for name in wanted:
        if not _can_be_said(name):
            left_out.append(f"The name of context {name!r} cannot be written into the file.")
            continue
        try:
            entries[name] = read_entry([named[name]], name)
        except ConfigError as error:
            left_out.append(f"{error.what[:1].upper()}{error.what[1:]}.")
    return entries


def _names(wanted: Sequence[str]) -> dict[str, str]:
    """A name that people can type for each context, and no name twice."""
    short = {name: _slug(_CLOUD.sub("", name)) for name in wanted}
    often = Counter(short.values())
    names: dict[str, str] = {}
    for name in wanted:
        slug = short[name] if often[short[name]] == 1 else _slug(name)
        slug = f"cluster-{slug}" if slug in RESERVED_NAMES else slug
        candidates = (slug, *(f"{slug}-{number}" for number in range(2, 10_000)))
        names[name] = next(one for one in candidates if one not in names.values())
    return names


def _slug(context: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", context.lower()).removeprefix("url-").strip("-._")[:50].rstrip("-._") or "cluster"


def _found(name: str, context: str, file: Path, entry: Entry) -> Found:
    try:
        server = Target.from_url(entry.server).url
    except ApidownError:
        server = ""
    remarks = [*entry.problems]
    if entry.user.plugin:
        program = entry.user.plugin.command.rsplit("/", 1)[-1]
        remarks.append(f"Its credentials come from the program {program}, which must be there where apidown runs.")
    return Found(
        name=name,
        context=context,
        file=file.absolute(),
        server=server if server.isprintable() else "",
        remarks=tuple(remark for remark in remarks if remark.isprintable()),
    )


def text(found: Sequence[Found]) -> str:
    """The configuration file. ``Config.load`` takes it as it is."""
    name = found[0].name
    return _HEAD + "\n".join(_entries(found)) + _TAIL.format(name=name, default=f"{f'default_cluster: {name}':<36}")


def _entries(found: Sequence[Found]) -> Iterator[str]:
    for place, one in enumerate(found):
        asks = f"  # {one.server}" if one.server else ""
        kubeconfig, context = _quoted(str(one.file)), _quoted(one.context)
        remarks = "".join(f"    # {remark}\n" for remark in one.remarks)
        yield f"  {one.name}:{asks}\n{remarks}    kubeconfig: {kubeconfig}\n    context: {context}\n" + ("" if place else _FIRST)


def _can_be_said(context: str) -> bool:
    """Space around a text is no part of it in our file, and control characters are refused there."""
    return bool(context) and context.isprintable() and context == context.strip()


def _quoted(value: str) -> str:
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf")).strip()


def write(path: Path, content: str, *, force: bool) -> None:
    """Writes it whole or not at all. Raises UsageError when something is there already and ``force`` was not given."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    place = path.with_name(f".{path.name}.{os.getpid()}") if force else path
    try:
        with os.fdopen(os.open(place, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(content)
        if force:
            place.replace(path)
    except FileExistsError as error:
        raise UsageError(
            "there is a file already, which stays as it is", where=str(path), next="give another --output, or --force"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(path), next="give another --output") from error
