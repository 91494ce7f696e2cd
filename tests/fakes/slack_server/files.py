"""files.*: the three-step upload, whose last step takes effect some time after it was answered."""

from __future__ import annotations

import mimetypes

from tests.fakes.slack_server import limits
from tests.fakes.slack_server.chat import check_destination
from tests.fakes.slack_server.method import Method
from tests.fakes.slack_server.values import Channel, File, Json, SlackError
from tests.fakes.slack_server.workspace import APP, BOT, BOT_USER, Workspace


def file_json(file: File) -> Json:
    body = {"id": file.id, "name": file.name, "title": file.title, "size": file.length, "alt_txt": file.alt_txt}
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return {**body, "mimetype": kind if file.ready else "", "shares": {"public": file.shares} if file.shares else {}}


def get_upload_url(workspace: Workspace, args: Json) -> Json:
    try:
        length = int(args.get("length") or 0)
    except ValueError as error:
        raise SlackError("invalid_arguments") from error
    if not args.get("filename") or length <= 0:
        raise SlackError("invalid_arguments")
    if len(args.get("alt_txt") or "") > limits.FILE_ALT_TEXT_MAX_LENGTH:
        raise SlackError("alt_txt_too_large")
    file = File(id=workspace.new_id("F"), name=args["filename"], length=length, alt_txt=args.get("alt_txt") or "")
    workspace.files[file.id] = file
    return {"upload_url": f"{workspace.base_url.removesuffix('/api/')}/upload/{file.id}", "file_id": file.id}


def complete_upload(workspace: Workspace, args: Json) -> Json:
    wanted = args.get("files")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(part, dict) for part in wanted):
        raise SlackError("invalid_arguments")
    files = [workspace.files.get(part.get("id", "")) for part in wanted]
    if any(file is None or file.content is None or file.completed for file in files):
        raise SlackError("file_not_found")
    found = [file for file in files if file is not None]
    destination: tuple[Channel, str | None] | None = None
    if args.get("channel_id"):
        channel, thread_ts = check_destination(workspace, {**args, "channel": args["channel_id"]})
        destination = channel, workspace.root_for(channel, thread_ts) if thread_ts is not None else None
    content = {"text": args["initial_comment"]} if args.get("initial_comment") else {"blocks": args.get("blocks") or []}
    workspace.check_content(content, where="files.completeUploadExternal")
    for file, part in zip(found, wanted, strict=True):
        file.completed, file.title = True, part.get("title") or file.name
    workspace.after(workspace.scaled(workspace.timing.file_ready), lambda: _share(workspace, found, destination, content))
    return {"files": [{"id": file.id, "title": file.title} for file in found]}


def _share(workspace: Workspace, files: list[File], destination: tuple[Channel, str | None] | None, content: Json) -> None:
    for file in files:
        file.ready = True
    if destination is None:
        return
    channel, root = destination
    message = workspace.add(
        channel,
        user=BOT_USER,
        bot_id=BOT,
        app_id=APP,
        text=content.get("text", ""),
        blocks=content.get("blocks", []),
        thread_ts=root,
        subtype="file_share",
        files=[file_json(file) for file in files],
    )
    for file in files:
        file.shares.setdefault(channel.id, []).append({"ts": message.ts, "thread_ts": root})


def info(workspace: Workspace, args: Json) -> Json:
    file = workspace.files.get(args.get("file", ""))
    if file is None or not file.completed:
        raise SlackError("file_not_found")
    return {"file": file_json(file)}


METHODS = {
    "files.getUploadURLExternal": Method(
        get_upload_url, tier=4, scope="files:write", args="filename length alt_txt snippet_type", reads=True
    ),
    "files.completeUploadExternal": Method(
        complete_upload, tier=4, scope="files:write", args="files channel_id channels thread_ts initial_comment blocks"
    ),
    "files.info": Method(info, tier=4, scope="files:read", args="file count cursor limit page", reads=True),
}
