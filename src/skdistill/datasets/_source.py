"""What all readers of files share: how to open a file, and what to do about a bad row."""

import gzip
import re
import shlex
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from skdistill.datasets._encodings import NotTextError, decoded, encoding_title, undecodable
from skdistill.datasets._values import listed

# How similar the name of a column must be to be proposed.
_SIMILAR = 0.8
# The likely encoding in an error about the encoding of a file.
_NAMED_ENCODING = re.compile(r"(?:\(|to be in )(utf-8|utf-16-[bl]e|cp1252)\b")


@dataclass(frozen=True)
class Options:
    """How to read a file.

    `sep` separates the fields of csv files; None means that the header shows it. `encoding` of
    None means UTF-8, unless there is a byte-order mark. Bad rows raise an error, or are left out
    and counted with `skip_bad_rows`. With `shell`, errors name options of the command line. `like`
    is a file with the same names of columns, which was read before with the same options.
    """

    sep: str | None = None
    encoding: str | None = None
    skip_bad_rows: bool = False
    shell: bool = False
    like: str = ""

    def named(self, option: str, value: str = "") -> str:
        """Return an option as the user writes it, with a value if there is one."""
        if self.shell:
            return f"--{option.replace('_', '-')} {value}".rstrip()
        return f"{option}={value!r}" if value else option


@dataclass
class LeftOut:
    """The rows of a file that were left out: bad ones, the first fault, and blank lines."""

    n_bad: int = 0
    first: str = ""
    n_blank: int = 0

    def describe(self) -> str:
        """Return a description, or an empty string if no row was left out."""
        parts = []
        if self.n_bad:
            rows = "1 bad row" if self.n_bad == 1 else f"{self.n_bad:,} bad rows"
            parts.append(f"{rows} (the first: {self.first})")
        if self.n_blank:
            parts.append("1 blank line" if self.n_blank == 1 else f"{self.n_blank:,} blank lines")
        return f"left out {' and '.join(parts)}" if parts else ""


@dataclass(frozen=True)
class Source:
    """A table that can be opened several times.

    `name` is for error messages, `kind` is a file extension such as ``.csv``, and `open` returns
    the bytes. `unit` is what numbers the rows in error messages.
    """

    name: str
    kind: str
    open: Callable[[], BinaryIO]
    options: Options = Options()
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    @property
    def unit(self) -> str:
        """What a row is called in error messages."""
        return "row" if self.kind == ".parquet" else "line"

    def bad_row(
        self, number: int, fault: str, advice: str, error: type[Exception] = ValueError
    ) -> Exception:
        """Return the error about a bad row.

        The fault is a predicate, such as "has 2 fields"; the advice starts with a verb.
        """
        options, skip = self.options, ""
        # With a wrong encoding, most rows would be left out, or damaged without a word.
        if options.shell and not issubclass(error, UnicodeError):
            skip = f" {options.named('skip_bad_rows')} leaves out such rows."
        return error(f"{self.name}, {self.unit} {number} {fault}; {advice}.{skip}")

    def refuse_row(
        self, number: int, fault: str, advice: str, error: type[Exception] = ValueError
    ) -> None:
        """Raise the error about a bad row, or count the row if bad rows are to be left out."""
        if not self.options.skip_bad_rows:
            raise self.bad_row(number, fault, advice, error)
        self.left_out.n_bad += 1
        self.left_out.first = self.left_out.first or f"{self.unit} {number} {fault}"

    def fault_of(self, line: str, encoding: str) -> tuple[str, str, type[Exception]] | None:
        """Return what is wrong with a line that cannot be decoded: fault, advice, type of error."""
        byte = undecodable(line)
        if byte is not None:
            fault = f"is not in {encoding_title(encoding)} (byte 0x{byte:02x})"
            return fault, self.encoding_advice(), UnicodeError
        if "\0" in line:
            advice = "remove it, or check the encoding of the file"
            return "contains the character NUL", advice, ValueError
        return None

    def wrong_encoding(self, error: ValueError) -> ValueError:
        """Return the error about a source whose first bytes are not in the encoding."""
        if isinstance(error, NotTextError):
            return ValueError(f"{self.name} {error}.")
        likely = _NAMED_ENCODING.search(str(error))
        if likely is None or likely[1] == "utf-8":
            advice = f"drop {self.options.named('encoding')}"
        else:
            advice = self.encoding_advice(likely[1])
        return ValueError(f"{self.name} {error}; {advice}.")

    def encoding_advice(self, encoding: str = "cp1252") -> str:
        """Return how to name the encoding."""
        name = self.options.named("encoding", encoding)
        return f"name the encoding of the file, for example {name}"


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, in order.

    `names` are the names of all columns, `columns` maps the requested columns to their values,
    `numbers` are the lines on which the rows start (in parquet files, the numbers of the rows,
    from 1), and `whole` holds the rows in the form of their file type.
    """

    names: list[str]
    columns: dict[str, list[Any]]
    numbers: Sequence[int]
    whole: Any

    def select(self, places: list[int], whole: Any) -> "Rows":
        """Return the rows at some places, which are `whole` in the form of their file type."""
        columns = {
            name: [values[place] for place in places] for name, values in self.columns.items()
        }
        return Rows(self.names, columns, [self.numbers[place] for place in places], whole)


class TextFile(ABC):
    """A file type that can be read."""

    @abstractmethod
    def read(
        self, source: Source, columns: Mapping[str, str], size: int, *, whole: bool = False
    ) -> Iterator[Rows]:
        """Yield the rows of a file, `size` at a time, with all columns if `whole`.

        `columns` maps the names of columns to the options that name them.
        """

    def select(self, rows: Rows, places: list[int]) -> Rows:
        """Return the rows at some places."""
        return rows.select(places, [rows.whole[place] for place in places])


class TableFile(TextFile):
    """A file type that can be read and written."""

    @abstractmethod
    def write(self, file: BinaryIO, rows: Rows, added: dict[str, list[Any]], header: bool) -> None:
        """Write whole rows with added columns, after a header if `header`."""

    @abstractmethod
    def from_texts(self, column: str, texts: list[str]) -> Rows:
        """Return rows that contain only texts."""

    def join(self, parts: list[Path], file: BinaryIO) -> None:
        """Concatenate parts into one file."""
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(2**20):
                    file.write(block)


@contextmanager
def opened(source: Source, newline: str) -> Iterator[tuple[TextIO, str]]:
    """Open a file as text, and return its encoding, too; see `decoded`."""
    with naming_damage(source), source.open() as file:
        try:
            text, encoding = decoded(file, source.options.encoding, newline)
        except ValueError as error:
            raise source.wrong_encoding(error) from error
        with text:
            yield text, encoding


@contextmanager
def naming_damage(source: Source) -> Iterator[None]:
    """Name a compressed file that is damaged."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{source.name} is not a readable gzip file: {error}. Compress the file again."
        ) from error


def check_columns(source: Source, there: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Raise an error if a wanted column is missing or there twice; name the option to pass."""
    for column, option in wanted.items():
        n_found = list(there).count(column)
        if n_found > 1:
            raise ValueError(
                f"{source.name} has {n_found} columns named {column!r}; rename all but one of them."
            )
        if not n_found:
            others, hint = [name for name in there if name not in wanted], ""
            if source.kind in (".csv", ".tsv"):
                hint += f" or {source.options.named('sep')}" if len(there) == 1 else ""
                if len(others) == len(there):
                    hint += "; if the first row is no header, add one"
            listing = f"its columns are {listed(there)}"
            advice = column_advice(column, others, option, source.options, listing, hint)
            raise ValueError(f"{source.name} has no column {column!r}; {advice}.")


def column_advice(
    column: str, others: Sequence[str], option: str, options: Options, listing: str, hint: str = ""
) -> str:
    """Return what to do about a missing column.

    `others` are the columns that may be meant, `listing` names all columns, and `hint` follows the
    name of the option.
    """
    if options.like:
        shared = f"{options.named(option)} names a column of all files"
        return f"{listing}. Rename one of them to {column!r} as in {options.like}, because {shared}"
    # Nobody can type the others.
    plain = {name.strip().casefold(): name for name in reversed(others) if name.isprintable()}
    wanted = column.strip().casefold()
    similar = get_close_matches(wanted, plain, n=1, cutoff=_SIMILAR)
    if similar:
        meant = plain[similar[0]]
        named = options.named(option, shlex.quote(meant) if options.shell else meant)
        start = "" if similar[0] == wanted else f"{listing}; "
        return f"{start}did you mean {meant!r}? Choose it with {named}"
    named = options.named(option, "NAME") if options.shell else option
    return f"{listing}. Choose the right one with {named}{hint}"
