"""Reading vector files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keyferry.errors import MalformedVectorError
from keyferry.selftest import packaged_files, read_directory

CASE = '{"family": "kcv", "cases": [{"name": "a", "op": "kcv"}]}'


def test_the_packaged_files_are_there() -> None:
    """One file a family, named after it."""
    documents = packaged_files()
    assert len(documents) >= 13
    assert all(f"{document['family']}.json" == name for name, document in documents.items())


def test_a_directory_is_read_by_suffix_and_in_order(tmp_path: Path) -> None:
    """Other files are left alone."""
    (tmp_path / "b.json").write_text(CASE)
    (tmp_path / "a.json").write_text(CASE.replace("kcv", "mac"))
    (tmp_path / "README.md").write_text("no vectors")
    documents = read_directory(tmp_path)
    assert list(documents) == [str(tmp_path / "a.json"), str(tmp_path / "b.json")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1 column 1: not JSON"),
        (b'{"family": "kcv",\n "cases": [}', "line 2 column 12: not JSON"),
        (b"\xff\xfe", "byte 0: not UTF-8"),
        (b"[]", "expected an object"),
        (b'{"cases": []}', "member 'family': expected text"),
        (b'{"family": NaN}', "NaN is not JSON"),
        (b'{"family": "kcv", "family": "mac"}', "member 'family' in an object: .* once"),
        (
            b'{"family": "kcv", "cases": [{"name": "a", "kcv": "00", "kcv": "01"}]}',
            "member 'kcv' in case 'a': expected each member once",
        ),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"family": ' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """File and place are named."""
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(MalformedVectorError, match=words) as caught:
        read_directory(tmp_path)
    assert str(tmp_path / "bad.json") in str(caught.value)


def test_a_family_stands_in_one_file(tmp_path: Path) -> None:
    """Two files of one family, one of them perhaps old, cannot both be right."""
    (tmp_path / "a.json").write_text(CASE)
    (tmp_path / "b.json").write_text(CASE)
    with pytest.raises(MalformedVectorError, match=r"b\.json family 'kcv': already in .*a\.json"):
        read_directory(tmp_path)


def test_directories_that_are_none(tmp_path: Path) -> None:
    """Missing, empty, or a file."""
    with pytest.raises(MalformedVectorError, match="found no"):
        read_directory(tmp_path)
    with pytest.raises(MalformedVectorError, match="missing: cannot be read"):
        read_directory(tmp_path / "missing")
    file = tmp_path / "file.json"
    file.write_text(CASE)
    with pytest.raises(MalformedVectorError, match="cannot be read"):
        read_directory(file)


def test_a_file_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than any vector file is not read to its end."""
    monkeypatch.setattr("keyferry.selftest.files.MAX_FILE_BYTES", 10)
    (tmp_path / "big.json").write_text(json.dumps({"family": "kcv"}))
    with pytest.raises(MalformedVectorError, match="at most 10 bytes"):
        read_directory(tmp_path)
