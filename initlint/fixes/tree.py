"""Source text → its LibCST tree with positions: what stands at a place, and edits that leave everything else as it is.

Nothing is rendered anew: an edit replaces the text of one node, or puts lines behind a statement, and every other character of
the file stays. Positions are those of `Span`: lines and columns in code points count from 1, ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import libcst as cst
from libcst import metadata

from initlint.fixes.edit import Edit, Span
from initlint.source.text import Unreadable, lines_of, read_source

if TYPE_CHECKING:
    from initlint.graph.model import Site

LINE_LENGTH = 88  # what a formatter gives a line, where the file itself has none that is longer

Node = TypeVar("Node", bound=cst.CSTNode)
Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement


@dataclass(frozen=True, slots=True)
class Code:
    """One file: its text by lines, its tree, where every node stands and what holds it."""

    path: str
    lines: Sequence[str]
    tree: cst.Module
    ranges: Mapping[cst.CSTNode, metadata.CodeRange]
    parents: Mapping[cst.CSTNode, cst.CSTNode]

    # -- looking --------------------------------------------------------------------------------------------------------

    def span(self, node: cst.CSTNode) -> Span:
        """The region of a node, without the white space and comments around it."""
        start, end = self.ranges[node].start, self.ranges[node].end
        return Span(path=self.path, line=start.line, column=start.column + 1, end_line=end.line, end_column=end.column + 1)

    def text(self, node: cst.CSTNode) -> str:
        """The text of a node as it stands in the file."""
        start, end = self.ranges[node].start, self.ranges[node].end
        if start.line == end.line:
            return self.lines[start.line - 1][start.column : end.column]
        first, last = self.lines[start.line - 1][start.column :], self.lines[end.line - 1][: end.column]
        return "\n".join((first, *self.lines[start.line : end.line - 1], last))

    def all(self, kind: type[Node], below: cst.CSTNode | None = None) -> Iterator[Node]:
        """All nodes of a kind, outer ones before inner ones, in the order of the text."""
        stack = [self.tree if below is None else below]
        while stack:
            node = stack.pop()
            if isinstance(node, kind):
                yield node
            stack.extend(reversed(node.children))

    def around(self, node: cst.CSTNode, kind: type[Node]) -> Node | None:
        """The innermost node of a kind that holds this one; the node itself is not meant."""
        current = self.parents.get(node)
        while current is not None and not isinstance(current, kind):
            current = self.parents.get(current)
        return current

    def statement(self, node: cst.CSTNode) -> Statement | None:
        """The statement that a node is part of, itself included."""
        current: cst.CSTNode | None = node
        while current is not None and not isinstance(current, Statement):
            current = self.parents.get(current)
        return current

    def call_at(self, site: Site) -> cst.Call | None:
        """The call that was running at a site; by its line alone where Python does not tell columns (before 3.11)."""
        place = self.columns(site)
        on_line = []
        for call in self.all(cst.Call):
            span = self.span(call)
            if place is not None and (span.line, span.column, span.end_line, span.end_column) == place:
                return call
            if span.line == site.line:
                on_line.append(call)
        return on_line[0] if place is None and len(on_line) == 1 else None

    def columns(self, site: Site) -> tuple[int, int, int, int] | None:
        """A site's region in code points: Python counts the columns of running code in bytes of UTF-8."""
        if site.end_line is None or site.end_column is None or site.end_line > len(self.lines):
            return None
        start, end = (
            len(self.lines[line - 1].encode()[: column - 1].decode(errors="ignore")) + 1
            for line, column in ((site.line, site.column), (site.end_line, site.end_column))
        )
        return site.line, start, site.end_line, end

    def statement_at(self, line: int) -> Statement | None:
        """The innermost statement that covers a line."""
        found: Statement | None = None
        for node in self.ranges:
            if isinstance(node, Statement) and self.first_line(node) <= line <= self.last_line(node):
                found = node if found is None or self.extent(node) < self.extent(found) else found
        return found

    def function_at(self, line: int) -> cst.FunctionDef | None:
        """The innermost function whose lines one is."""
        statement = self.statement_at(line)
        return (
            statement
            if statement is None or isinstance(statement, cst.FunctionDef)
            else self.around(statement, cst.FunctionDef)
        )

    def extent(self, node: cst.CSTNode) -> int:
        return self.last_line(node) - self.first_line(node)

    def first_line(self, node: cst.CSTNode) -> int:
        return self.ranges[node].start.line

    def last_line(self, node: cst.CSTNode) -> int:
        """The last line of a node; of a compound statement the last one of its body."""
        last = self.ranges[node].end
        return last.line if last.column or last.line == self.ranges[node].start.line else last.line - 1

    # -- names ----------------------------------------------------------------------------------------------------------

    def classes(self) -> dict[str, cst.ClassDef]:
        """Classes of the file by name."""
        return {item.name.value: item for item in self.all(cst.ClassDef)}

    def functions(self, owner: cst.ClassDef) -> dict[str, cst.FunctionDef]:
        """Methods of a class by name."""
        return {item.name.value: item for item in owner.body.body if isinstance(item, cst.FunctionDef)}

    def names_in(self, node: cst.CSTNode) -> set[str]:
        """All plain names below a node."""
        return {item.value for item in self.all(cst.Name, node)}

    # -- style ----------------------------------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """How long a new line may be: as long as the file's longest, or what a formatter gives."""
        return max(LINE_LENGTH, *(len(line) for line in self.lines))

    @property
    def quote(self) -> str:
        """The quotation mark that most of the file's plain strings have."""
        single = double = 0
        for item in self.all(cst.SimpleString):
            single += item.value.startswith("'")
            double += item.value.startswith('"') and not item.value.startswith('"""')
        return "'" if single > double else '"'

    @property
    def indent(self) -> str:
        """One step of indentation."""
        return self.tree.default_indent

    def indent_of(self, statement: cst.CSTNode) -> str:
        """The white space a statement starts with."""
        line = self.lines[self.first_line(statement) - 1]
        return line[: len(line) - len(line.lstrip())]

    # -- edits ----------------------------------------------------------------------------------------------------------

    def replaced(self, node: cst.CSTNode, content: str) -> Edit:
        """Put other text in the place of a node."""
        return Edit(span=self.span(node), content=content)

    def behind(self, statement: cst.CSTNode, lines: Sequence[str]) -> Edit:
        """New lines behind the last line of a statement, indented as it is; the lines' own indentation is added to that."""
        return self.behind_line(self.last_line(statement), self.indent_of(statement), lines)

    def behind_line(self, number: int, indent: str, lines: Sequence[str]) -> Edit:
        """New lines behind a line."""
        column = len(self.lines[number - 1]) + 1
        content = "".join(f"\n{indent}{line}" if line else "\n" for line in lines)
        return Edit(span=Span(path=self.path, line=number, column=column, end_line=number, end_column=column), content=content)

    def before_line(self, number: int, indent: str, lines: Sequence[str]) -> Edit:
        """New lines before a line."""
        content = "".join(f"{indent}{line}\n" if line else "\n" for line in lines)
        return Edit(span=Span(path=self.path, line=number, column=1, end_line=number, end_column=1), content=content)

    def removed(self, statement: Statement) -> Edit:
        """A statement without its lines; `pass` where it was the only one of its block."""
        block = self.parents[statement]
        if isinstance(block, cst.IndentedBlock) and len(block.body) == 1:
            return self.replaced(statement, "pass")
        first, last = self.first_line(statement), self.last_line(statement)
        if last < len(self.lines):
            return Edit(span=Span(path=self.path, line=first, column=1, end_line=last + 1, end_column=1), content="")
        return Edit(span=Span(path=self.path, line=first, end_line=last, end_column=len(self.lines[last - 1]) + 1), content="")

    def without(self, statement: cst.SimpleStatementLine) -> Edit:
        """A statement without its lines, of which a comment behind it stays; for one that is written nowhere else instead."""
        comment = statement.trailing_whitespace.comment
        if comment is None:
            return self.removed(statement)
        whole = self.span(statement)
        alone = isinstance(block := self.parents[statement], cst.IndentedBlock) and len(block.body) == 1
        end = len(self.lines[whole.end_line - 1]) + 1
        place = Span(path=self.path, line=whole.line, column=whole.column, end_line=whole.end_line, end_column=end)
        return Edit(span=place, content=f"pass  {comment.value}" if alone else comment.value)

    def call(self, function: str, arguments: Sequence[str], indent: str) -> list[str]:
        """The lines of a call, wrapped where one line would be too long; `indent` is what they will be indented by."""
        line = f"{function}({', '.join(arguments)})"
        if len(indent) + len(line) <= self.length:
            return [line]
        inner = f"{self.indent}{', '.join(arguments)}"
        if len(indent) + len(inner) <= self.length:
            return [f"{function}(", inner, ")"]
        return [f"{function}(", *(f"{self.indent}{argument}," for argument in arguments), ")"]


def read_code(path: str) -> Code | None:
    """The tree of a file; None where it cannot be read or parsed."""
    try:
        text = read_source(path)
    except Unreadable:
        return None
    return code_of(text, path)


def code_of(text: str, path: str) -> Code | None:
    """The tree of a text; None where it does not parse."""
    try:
        wrapper = metadata.MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    except (cst.ParserSyntaxError, cst.CSTValidationError):
        return None
    ranges = wrapper.resolve(metadata.PositionProvider)
    parents = wrapper.resolve(metadata.ParentNodeProvider)
    return Code(path=path, lines=lines_of(text), tree=wrapper.module, ranges=ranges, parents=parents)
