"""A Slack that is stricter than Slack: Web API, Socket Mode, uploads and response URLs over real HTTP and WebSockets on
127.0.0.1, so that the bot is tested with the libraries and the protocol it uses in production.

The fake refuses what Slack refuses, and writes down as a *violation* what Slack would let pass and a person would regret:
a broadcast mention, a reply to a reply, a text-only post that Slack splits, an acknowledgement of an unknown envelope.

::

    async with FakeSlack() as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url)
        result = await slack.slash(slack.ann, slack.incidents, "prod-eu-1")
        assert result.error is None and result.latency < 1
        root = await slack.wait_for(lambda: next(iter(slack.roots(slack.incidents)), None))
        await slack.wait_for(lambda: "etcd" in root.edits[-1].text)
        await slack.click(slack.ann, slack.incidents, root.ts, "apidown.cancel")
        print(slack.transcript(slack.incidents, root.ts))
        slack.assert_clean()

**Construction.** ``FakeSlack(*, time_scale=1.0, timing=Timing(), post_burst=5, tier_burst=1.0, max_connections=10,
scopes=BOT_SCOPES, echo=True)``. Every duration of ``Timing`` is in Slack's seconds and is multiplied by ``time_scale``:
``ack_deadline`` 3, ``event_retries`` (0, 60, 300), ``trigger_ttl`` 3, ``ticket_ttl`` 30, ``response_url_ttl`` 1800,
``rate_window`` 60, ``post_interval`` 1 (a post a channel), ``file_ready`` 0.2, ``edit_window`` None. ``Retry-After`` is in
whole real seconds, at least 1. ``post_burst`` is the size of a channel's bucket, ``tier_burst`` multiplies the calls a
minute of every tier. ``echo`` sends the bot's own posts, edits and deletions back to it as events, as Slack does.

**Identities.** ``base_url`` (ends in ``/api/``), ``bot_token``, ``app_token``, ``team_id``, ``app_id``, ``bot_id``,
``bot_user``; users ``ann``, ``bob``; channels ``incidents`` (public; bot, ann and bob are in), ``elsewhere`` (public; the
bot is not in), ``archived`` (the bot is in), ``private`` (private; the bot and ann are in); user group ``oncall`` (ann).
All are ids. ``add_channel(name, *, private=False, archived=False, members=(), posting="open") -> id`` where posting is
open, restricted, read_only, thread_only or non_threadable; ``add_user(name) -> id``; ``channels[id]``, ``users[id]``,
``usergroups[id]``. ``archive(channel)``, ``remove_bot(channel)``, ``break_token(token, error | None)``.
``scopes`` is a mutable set. ``allowed_mentions`` is a set of user group ids that may be mentioned; empty at first.

**Drivers.** What people and other apps do. Those that the app must acknowledge return an ``Ack``: ``latency`` in real
seconds or None, ``payload`` of the acknowledgement, its ``text``, ``error`` (None, ``operation_timeout``,
``dispatch_failed``), ``trigger_id``, ``response_url``, ``delivery``.

- ``await slash(user, channel, text="", *, command="/apidown", in_thread=False) -> Ack``; refuses ``in_thread``
- ``await click(user, channel, ts, action_id, *, value=None) -> Ack``; AssertionError unless the button is on the message
  as it is now; ``value`` picks the option of a select
- ``await press(user, view_id, action_id, *, value=None) -> Ack``; the same in a modal or on the Home tab
- ``await shortcut(user, channel, ts, callback_id) -> Ack``; a message shortcut
- ``await submit(user, view_id, {block_id: {action_id: value}}) -> Ack``
- ``say(user, channel, text, *, thread_ts=None) -> Message``; sends ``message`` (and ``app_mention``) events behind your back
- ``alert(channel, text="", *, webhook=True, attachments=(), blocks=()) -> Message``; another app's post
- ``open_home(user)``; ``app_home_opened``
- ``erase(channel, ts)``; a person deletes a message (a root with replies leaves a tombstone)
- ``await deliver(type, payload, *, accepts=False, retry=False, envelope_id=None) -> Delivery``; any envelope by hand
- ``event(event: dict) -> dict`` wraps an event for ``deliver("events_api", …, retry=True)``

**What is in the channels.** ``Message``: ``channel ts thread_ts user bot_id subtype text blocks attachments metadata
reactions files``, ``edits`` (every ``Version(at, text, blocks, metadata)`` it ever had, the first is the post, ``at`` is
``time.monotonic()``), ``broadcast``, ``deleted``, ``buttons`` (action ids of live elements). Values change in place: a
Message you hold is the message as it is now.

- ``roots(channel) -> list[Message]``, oldest first; ``thread(channel, root_ts) -> list[Message]``, root first
- ``message(channel, ts) -> Message``; ``transcript(channel, root_ts) -> str``: the thread as a person reads it, no times

**Journals.** ``calls``: ``Call(method, verb, args, status, error, at, took, fault)``, of Web API and uploads, in order of
arrival; ``called(method) -> list[Call]``. ``ephemerals``: ``Ephemeral(at, user, channel, thread_ts, text, blocks, via)``
with via ``chat.postEphemeral``, ``response_url`` or ``ack``. ``deliveries``: ``Delivery(type, payload, accepts, attempts,
error, acked_at, ack_payload)`` with ``attempts`` of ``Attempt(envelope_id, connection, sent_at, acked_at, acked_by,
late)``. ``violations``: list of sentences. ``unknown_arguments``: list of (method, argument). ``views``, ``home[user]``,
``files``, ``statuses[(channel, thread_ts)]``, ``pins``, ``bookmarks``.

**Faults.** ``fail(method, kind, *, times=1, when=None, status=503, error="internal_error", retry_after=1, delay=1.0) ->
Fault``; method is a name, ``"*"`` or ``"upload"``; ``when(args) -> bool``; ``fault.fired`` counts; ``fault.times = 0``
disarms. Kinds: ``429``, ``5xx`` (plain text), ``html`` (503), ``error`` (the code, HTTP 200), ``reset_before`` (nothing
is done), ``reset_after`` (done, then the connection is reset), ``slow`` (waits ``delay`` real seconds, then does it),
``slow_after`` (does it, then waits), ``truncate_json`` (done, half the body). Those that come after the deed fire only on
a call that succeeded, and stay armed on others.

**Sockets.** ``connections`` (open ones), ``tickets_issued``, ``refuse_ws(n)`` (503, and the ticket is burned),
``await disconnect(reason="refresh_requested", *, close=True, connection=None)``, ``drop_sockets()`` (TCP reset),
``freeze_sockets(frozen=True)`` (half open: neither pongs nor reads), ``link_enabled = False``, ``max_connections``.

**Waiting and judging.** ``await wait_for(predicate, timeout=10.0, what="") -> the truthy value``; AssertionError when it
never is. ``assert_clean()``: no violations, no bad arguments, no failed task of the fake's own.
"""
