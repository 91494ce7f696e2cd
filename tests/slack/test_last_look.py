from __future__ import annotations

from bot.slack.errors import Kind


async def test_a_call_that_must_not_be_made_any_more_is_not_sent_and_the_next_one_is(client, slack):
    withheld = await client.post(slack.incidents, text="too late", still=lambda: False)
    assert withheld.kind is Kind.AWAY
    assert slack.called("chat.postMessage") == []
    said = await client.post(slack.incidents, text="in time", still=lambda: True)
    assert said.ok
    assert [message.text for message in slack.channels[slack.incidents].messages.values()] == ["in time"]
    edited = await client.update(slack.incidents, str(said.data["ts"]), text="too late again", still=lambda: False)
    assert edited.kind is Kind.AWAY
    assert slack.called("chat.update") == []


async def test_it_is_asked_with_each_call_and_of_that_call_only(client, slack):
    asked = []
    await client.post(slack.incidents, text="one", still=lambda: not asked.append("one"))
    await client.post(slack.incidents, text="two")
    assert asked == ["one"]
