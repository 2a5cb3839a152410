"""What a child says arrives as it was said, in pieces of any size; what is no answer is refused."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.convert import Outcome
from builders.convert.isolation.answer import Answer, AnswerReader

PRINTABLE = st.text(max_size=500).map(lambda text: "".join(filter(str.isprintable, text)))
ANSWERS = st.builds(
    Answer,
    st.sampled_from(Outcome),
    PRINTABLE,
    PRINTABLE,
    st.integers(0, 100),
    st.integers(0, 1 << 50),
    st.binary(),
    st.binary(),
    st.integers(0, 1 << 50),
)
HEADER = {"outcome": "ok", "message": "", "exporter": "", "opset": 17, "bytes_fetched": 0, "peak_memory": 0}


def read(data, size=1 << 20):
    reader = AnswerReader()
    for start in range(0, len(data), size):
        assert not reader.complete
        reader.feed(data[start : start + size])
    assert reader.complete
    return reader.answer()


def framed(header, skeleton=b"", modules=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">4sIQQ", b"YHF2", len(text), len(skeleton), len(modules)) + text + skeleton + modules


@given(ANSWERS, st.integers(1, 100))
def test_an_answer_is_read_as_it_was_written(answer, size):
    assert read(b"".join(answer.frame()), size) == answer


def test_the_payload_is_known_before_it_comes():
    reader = AnswerReader()
    reader.feed(framed(HEADER, b"skeleton", b"modules")[:30])
    assert (reader.payload, reader.complete) == (15, False)


@pytest.mark.parametrize(
    "header",
    [
        *(
            {**HEADER, "outcome": "fine"},
            {**HEADER, "message": None},
            {**HEADER, "opset": -1},
            {**HEADER, "opset": 1.5},
        ),
        *({**HEADER, "bytes_fetched": 1 << 64}, {**HEADER, "peak_memory": "1"}, {"outcome": "ok"}, [], 1),
        *(b"{", b"\xff\xfe", b"[" * 60000, b'{"outcome":' * 5000, b"9" * 5000),
    ],
)
def test_a_header_that_is_not_as_agreed_is_refused(header):
    with pytest.raises(ValueError, match="not a header"):
        read(framed(header))


@pytest.mark.parametrize(
    "data",
    [
        b"garbage" * 10,
        framed(HEADER) + b"more",
        struct.pack(">4sIQQ", b"YHF1", 2, 0, 0) + b"{}",
        struct.pack(">4sIQQ", b"YHF2", 1 << 20, 0, 0),
    ],
)
def test_what_is_no_frame_is_refused_at_once(data):
    with pytest.raises(ValueError, match="not an answer"):
        read(data)


def test_texts_are_short_and_can_be_stored():
    answer = read(framed({**HEADER, "outcome": "error", "message": "\udcff\x1b" + "x" * 1000}))
    assert answer.message == "? " + "x" * 498
    assert len(Answer(Outcome.ERROR, "x" * 100000).frame()[0]) < 1000
