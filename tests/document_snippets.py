"""The blocks of code in the documents, found by Sybil, and the commands in them."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from sybil.document import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


class Snippet(NamedTuple):
    """A block of code: the document, the number of its first line, its language and its text."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


def snippets(*languages: str) -> list[Snippet]:
    """All blocks in the documents, or those in some languages."""
    found = []
    for path in DOCUMENTS:
        document = Document(path.read_text(), str(path))
        for region in FencedCodeBlockLexer(language=".*")(document):
            line = document.text.count("\n", 0, region.start) + 1
            found.append(Snippet(path, line, region.lexemes["language"], region.lexemes["source"]))
    return [snippet for snippet in found if not languages or snippet.language in languages]


def shell_lines(text: str) -> list[str]:
    """The lines of a shell snippet without comments and empty lines; a line that ends in a backslash is joined."""
    lines = [re.sub(r"(^|\s+)#.*", "", line).rstrip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def zoo_commands(line: str) -> list[list[str]]:
    """The arguments of each ``zoo`` command in a line of shell, also of those that ``torchrun`` starts."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words, commands = list(lexer), []
    for place, word in enumerate(words):
        starts = place == 0 or set(words[place - 1]) <= set("|&;") or words[place - 1] == "-m"
        if word == "zoo" and starts:
            rest = words[place + 1 :]
            end = next((index for index, other in enumerate(rest) if set(other) <= set("|&;<>()")), len(rest))
            commands.append(rest[:end])
    return commands


def mentioned_commands(path: Path) -> list[str]:
    """Every ``zoo …`` between backticks in the text of a document, and every example in the help of a command."""
    text = path.read_text()
    found = re.findall(r"`(zoo [a-z-][^`\n]*)`", text)
    if path.name == "cli.md":
        found += re.findall(r"^ {4}(zoo [a-z].*?)(?:   .*)?$", text, re.MULTILINE)
    return list(dict.fromkeys(found))
