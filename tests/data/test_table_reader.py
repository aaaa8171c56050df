"""The CSV reader: the same rows as the csv module reads, in blocks, from files and streams."""

import csv
import gzip
import io
import itertools
import random

import pytest

from zoo import DataError
from zoo.data.table_reader import BLOCK_BYTES, read_blocks

CONTENTS = [
    "a,b\n1,2\n",
    "\ufeffa;b\r\n1;2\r\n\r\n3;4",
    "\n , \n\na,b\n,\n1\n1,2,3\n  x ,\té\n",
    'a,b\n"1,5","x\ny"\n"say ""hi""",2\n3,4\n',
    'size,price\n5" pipe,3\n6" tube,4\n"7",5\n',
    'a,b\n"x" ,1\n"y"z,2\n "w",3\n',
    "a\tb\r1\t2\r3\t4\r",
    "a|b\n1|\n|\n|2\n",
    '"a, b",c\n\n"",""\n1,2\n',
    'a,b\n1,2\n3,"never closed\n4,5\n',
]


class Slow(io.BufferedIOBase):
    """A stream that returns a few bytes at a time, like a pipe."""

    def __init__(self, content, step):
        self.content, self.step, self.place = content, step, 0

    def read1(self, size=-1):
        start, self.place = self.place, self.place + self.step
        return self.content[start : self.place]


def rows_of(source):
    return [(line, count, list(cells)) for block in read_blocks(source) for line, count, *cells in block.rows()]


def expected_rows(content, separators=",;\t|"):
    text = io.StringIO(content.removeprefix("\ufeff"), newline=None).read()
    lines = text.split("\n")
    leading = list(itertools.takewhile(lambda line: not line.strip(separators + " "), lines))
    first = lines[len(leading)]
    reader = csv.reader(io.StringIO(text), delimiter=max(separators, key=first.count))
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    rows = [(line, row) for line, row in rows if line > len(leading) and any(row)]
    width = len(rows[0][1])
    return [(line, len(row), [*row, *[None] * width][:width]) for line, row in rows]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_the_rows_equal_those_of_the_csv_module(content, step):
    assert rows_of(Slow(content.encode(), step)) == expected_rows(content)


def test_random_text_is_read_as_the_csv_module_reads_it():
    choose = random.Random(0).choices
    for _ in range(300):
        content = "a,b\n" + "".join(choose(["x", "é", " ", "NA", ",", ",", "\n", "\n", '"', '""', '"q,\nq"'], k=30))
        assert rows_of(Slow(content.encode(), 5)) == expected_rows(content)


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_large_file_is_read_in_blocks_with_correct_line_numbers(quote, tmp_path):
    path = tmp_path / "large.csv.gz"
    rows = 300_000
    with gzip.open(path, "wt", compresslevel=1) as handle:
        handle.write("name,value\n")
        handle.writelines(f"{quote}n{k}{quote},{k}\n" for k in range(rows))
    line = 1
    for block in read_blocks(path):
        assert len(block) * 8 < 2 * BLOCK_BYTES
        assert block["line"].to_list() == list(range(line, line + len(block)))
        line += len(block)
    assert line == rows + 2


@pytest.mark.parametrize("quote", ["", '"'])
def test_rows_of_a_stream_are_available_before_it_ends(quote):
    def chunks():
        yield f"a,b\n{quote}1{quote},2\n"
        yield "3,4\n5"
        raise AssertionError("read on although rows were there")

    texts = chunks()

    class Stream:
        def read1(self, size):
            return next(texts).encode()

    blocks = read_blocks(Stream())
    assert [row for block in itertools.islice(blocks, 2) for row in block["0"]] == ["a", "1", "3"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a,b\n\xff\xfe,1\n", "not text in UTF-8"),
        (b'a,b\n"' + b"x" * 200_000, "field larger than field limit"),
        (b"x" * (2**24 + BLOCK_BYTES), "a line has more than 16,777,216 characters"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(content, problem):
    with pytest.raises(DataError, match=problem):
        rows_of(io.BytesIO(content))
