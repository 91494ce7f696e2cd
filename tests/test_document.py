"""Documents know where everything is, mean what YAML 1.2 says, and never fail in an unforeseen way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.document import MAX_BYTES, MAX_DEPTH, Document, DocumentErrors, Position, did_you_mean, load, read
from bot.errors import ConfigError
from bot.form import Form, Text, Texts, validate

TEXT = """\
clusters:
  prod:
    nodes: [a, "b"]
    on: yes
"""


def message(source: Path | str | bytes, **options: Any) -> str:
    with pytest.raises(DocumentErrors) as caught:
        load(source, "f.yaml", **options)
    return str(caught.value)


def test_every_key_value_and_item_has_its_place() -> None:
    document = load(TEXT, "f.yaml")
    assert document.data == {"clusters": {"prod": {"nodes": ["a", "b"], "on": "yes"}}}
    assert str(document.where(())) == "f.yaml:1:1"
    assert str(document.where(("clusters", "prod"))) == "f.yaml:3:5"
    assert str(document.where_key(("clusters", "prod"))) == "f.yaml:2:3"
    assert str(document.where(("clusters", "prod", "nodes", 1))) == "f.yaml:3:16"


def test_a_place_that_is_not_there_is_the_nearest_above() -> None:
    document = load(TEXT, "f.yaml")
    assert document.where(("clusters", "prod", "nodes", 7, "x")) == Position(file="f.yaml", line=3, column=12)
    assert document.where_key(("clusters", "prod", "aliases")) == document.where(("clusters", "prod"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("False", False),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2026-11-20", "2026-11-20"),
        ("0", 0),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".nan", ".nan"),
        ("1.2.3", "1.2.3"),
        ("99999999999999999999", "99999999999999999999"),
        ("~", None),
        ("null", None),
        ("", None),
        ('"012"', "012"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("<<", "<<"),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written: str, meant: object) -> None:
    found = load(f"a: {written}").data["a"]
    assert found == meant
    assert type(found) is type(meant)


def test_words_that_yaml_1_1_takes_for_booleans_are_keys_like_any_other() -> None:
    assert load("{on: 1, no: 2, 012: 3, true: 4, null: 5}").data == {"on": 1, "no": 2, "012": 3, "true": 4, "null": 5}


def test_a_leading_zero_is_refused_with_both_right_forms() -> None:
    assert message("a: -012") == (
        "f.yaml:1:4: -012 starts with a zero, which some readers take for an octal number\n"
        "    a: -012\n       ^\n"
        '  write -12 for the number or "-012" for text'
    )


def test_every_repeated_key_is_reported_and_the_first_one_counts() -> None:
    document = read("a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yaml")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [problem.headline for problem in document.problems] == [
        "f.yaml:2:11: the key 'c' is given twice; the first is in line 2",
        "f.yaml:3:1: the key 'a' is given twice; the first is in line 1",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab cannot indent a line\n     b: 1\n    ^\n  indent with spaces"),
        ("a: [1,\nb: }", "f.yaml:2:4: a value is missing here, or a bracket is not closed\n    b: }\n       ^"),
        ("a: &x [*x]", "f.yaml:1:8: the alias *x contains itself\n    a: &x [*x]\n           ^"),
        ("b: &one 1\na: *on", "f.yaml:2:4: the alias *on is not defined above\n    a: *on\n       ^\n  did you mean 'one'?"),
        ("? [a]\n: b", "f.yaml:1:3: a key must be a plain word\n    ? [a]\n      ^"),
        ("1\n--- 2", "f.yaml:2:1: a second document starts here; a file holds one\n    --- 2\n    ^"),
        ("a: \x01", "f.yaml:1:4: the character U+0001 cannot be in a YAML file"),
        ("a: `x`", "f.yaml:1:4: text cannot start with this character\n    a: `x`\n       ^\n  quote the text"),
        ('a: "\\0"', 'f.yaml:1:4: the text contains an escape that is not a character\n    a: "\\0"\n       ^'),
    ],
)
def test_a_mistake_is_shown_in_its_own_line(text: str, said: str) -> None:
    assert message(text) == said


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!mine", "!!int", "!!binary"])
def test_tags_make_nothing(tag: str) -> None:
    assert "is not used here" in message(f"a: {tag} x")
    assert "is not used here" in message(f"a: {tag} [x]")


def test_anchors_and_aliases_may_be_used() -> None:
    assert load("a: &n [1, 2]\nb: *n").data == {"a": [1, 2], "b": [1, 2]}


def test_aliases_do_not_multiply_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "the file has more than 50000 values, its aliases expanded" in message("\n".join(lines))


def test_depth_is_bounded() -> None:
    assert load("[" * MAX_DEPTH + "]" * MAX_DEPTH).data
    assert "this is nested more than 40 deep" in message("[" * 100_000)


def test_size_is_bounded(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    assert message(large) == "f.yaml: the file is larger than 1024 KiB"
    large.write_bytes(b"#" * MAX_BYTES)
    assert load(large).data is None


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the file cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")
    assert message(b"\xff\xfe") == "f.yaml: this is not UTF-8 text (byte 0)"


def test_a_byte_order_mark_is_not_content() -> None:
    assert load(b"\xef\xbb\xbfa: 1").data == load("\ufeffa: 1").data == {"a": 1}


def test_secrets_do_not_show_in_the_source_line() -> None:
    said = message("\ttoken: abcdefghijklmnop")
    assert "abcdefghijklmnop" not in said
    assert "[redacted]" in said


def test_a_private_documents_lines_and_values_are_in_no_message() -> None:
    said = message("sekret: 0123\nsekret2: {", private=True)
    assert said == (
        "f.yaml:1:9: the number starts with a zero, which some readers take for an octal number\n"
        "f.yaml:2:11: a value is missing here, or a bracket is not closed"
    )


def test_the_nearest_word_is_suggested_only_when_it_is_near() -> None:
    assert did_you_mean("tittle", ["id", "title"]) == "did you mean 'title'?"
    assert did_you_mean("xyz", ["id", "title"]) == ""


class Inner(Form):
    name: Text
    size: int = 1


class Outer(Form):
    title: Text
    tags: Texts = ()
    parts: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}


def test_a_form_is_made_when_everything_is_right() -> None:
    made, problems = validate(load("title: T\ntags: one\nnamed: {a: {name: N}}"), Outer)
    assert made is not None
    assert problems == ()
    assert made.tags == ("one",)
    assert made.named["a"].name == "N"


def test_every_mistake_of_a_form_stands_where_it_is() -> None:
    text = "titel: T\ntags: [a, 1]\nparts:\n  - {name: x, sise: 2}\n  - {size: x}\nnamed:\n  a: {nam: y}\n  b: text\ntags: z\n"
    found, problems = validate(read(text, "f.yaml"), Outer)
    assert found is None
    assert sorted(f"{problem.headline} | {problem.nearest}" for problem in problems) == [
        "f.yaml:1:1: unknown key 'titel' | did you mean 'title'?",
        "f.yaml:2:11: an entry of 'tags' should be text, not a number | write \"1\", in quotes",
        "f.yaml:4:15: unknown key 'sise' | did you mean 'size'?",
        "f.yaml:5:12: 'size' should be a whole number, not 'x' | ",
        "f.yaml:5:5: the key 'name' is missing | ",
        "f.yaml:7:7: unknown key 'nam' | did you mean 'name'?",
        "f.yaml:8:6: 'b' should hold keys with values, not text | ",
        "f.yaml:9:1: the key 'tags' is given twice; the first is in line 2 | ",
    ]


def test_many_mistakes_are_not_a_wall() -> None:
    said = message("\n".join(["a: 1"] * 200))
    assert said.count("given twice") == 50
    assert said.endswith("… and 149 more")


YAMLISH = st.text(alphabet=st.sampled_from("ab01:-?[]{},&*!|>'\"%@`#~.< \n\t\\ux\u2028\x85\x00é"), max_size=60)


@given(st.one_of(YAMLISH, st.text(max_size=60), st.binary(max_size=60)))
@example("\ud800")
@example('"\\ud800"')
@example("a: !<tag:yaml.org,2002:str> x")
@example("%YAML 9.9\n---\na")
@example("? \n: ")
def test_anything_gives_a_document_or_document_errors(source: str | bytes) -> None:
    found: Document | None = None
    said = "f.yaml"
    try:
        found = load(source, "f.yaml")
    except DocumentErrors as error:
        said = str(error)
    assert said.startswith("f.yaml")
    if found is not None:
        validate(found, Outer)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(codec="ascii"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_read_as_it_is(value: object) -> None:
    text = json.dumps(value)
    if "\\u0000" in text:
        return
    assert load(text).data == value
