"""The file of lines outside the database: nothing that was added is lost, and nothing damaged passes unseen."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from consent_service.line_file import LineFile, LineUnreadable


@pytest.fixture
def file(tmp_path):
    return LineFile(tmp_path / "var" / "lines.jsonl")


def test_what_is_added_while_the_file_is_rewritten_is_in_it(file):
    def add(number):
        file.append([{"number": number}])
        if number % 5 == 0:
            file.rewrite(lambda lines: lines)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(40)))
    assert sorted(line["number"] for line in file.read()) == list(range(40))


def test_a_cut_line_never_counted_and_does_not_swallow_the_next(file):
    file.append([{"number": 1}, {"number": 2}])
    whole = file.path.read_bytes()
    for cut in range(1, len(whole)):
        file.path.write_bytes(whole[:-cut])
        left = [line["number"] for line in file.read()]
        assert left == [1, 2][: whole[:-cut].count(b"\n")]
        assert file.newest() == ({"number": left[-1]} if left else None)
        file.append([{"number": 3}])
        assert [line["number"] for line in file.read()] == [*left, 3]


def test_a_damaged_line_is_refused(file):
    file.append([{"number": 1}])
    for damaged in (b"?\n", b"\n", b"[1]\n"):
        file.path.write_bytes(b'{"number": 1}\n' + damaged)
        with pytest.raises(LineUnreadable, match="line 2 cannot be read"):
            list(file.read())
        with pytest.raises(LineUnreadable, match="the last line cannot be read"):
            file.newest()


def test_a_rewriting_that_fails_leaves_the_file_as_it_was(file):
    file.append([{"number": 1}])
    with pytest.raises(ZeroDivisionError):
        file.rewrite(lambda lines: [{"number": 1 // 0}])
    assert list(file.read()) == [{"number": 1}]
    file.rewrite(lambda lines: [*lines, {"number": 2}])
    assert list(file.read()) == [{"number": 1}, {"number": 2}]


def test_no_file_has_no_lines(file):
    assert (list(file.read()), file.newest()) == ([], None)
