#!/usr/bin/env python3
"""Reads the report files back with programs that share no code with the writers.

  read_back_test.py RENDER_SAMPLE     where render_sample was built

Every value of testdata/hostile.txt goes into every cell of every format. What comes back must be the
value, or what the format shows in its place, and nothing may have become a formula, an element or an
action.
"""

import csv
import html.parser
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import unicodedata
import xml.etree.ElementTree
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "testdata/hostile.txt"
SCHEMA = HERE.parent.parent / "docs/report.schema.json"
EVERYWHERE = "</script></style>\"'><img src=x onerror=alert(1)>=1+2&lt;_x0041_"
FORMULA = "=+-@|%\t\r\n"
SAMPLE = ""
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
COLUMNS = ["rule_code", "severity", "dataset", "school_id", "record_key", "message", "fields",
           "suggested_fix", "change", "waived_until", "row", "findings", "school_name",
           "data_version", "report", "previous_report"]


def read_corpus():
    """Returns {name: bytes}."""
    values = {}
    for line in CORPUS.read_text("ascii").splitlines():
        if line and not line.startswith("#"):
            name, _, escaped = line.partition(" ")
            values[name] = re.sub(rb"\\(x[0-9A-F]{2}|\\)",
                                  lambda match: b"\\" if match.group(1) == b"\\"
                                  else bytes([int(match.group(1)[1:], 16)]),
                                  escaped.encode("ascii"))
    return values


CORPUS_VALUES = read_corpus()


def decoded(data):
    """The text of bytes; each run of broken ones is one U+FFFD."""
    return one_mark(data.decode("utf-8", "replace"))


def one_mark(text):
    return re.sub("\ufffd+", "\ufffd", text)


def visible(data):
    """What a person is shown instead of characters that he could not see."""
    shown = []
    for char in decoded(data):
        code = ord(char)
        if char in "\n\t":
            shown.append(char)
        elif code < 0x20:
            shown.append(chr(0x2400 + code))
        elif code == 0x7F:
            shown.append("\u2421")
        elif unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") or code & 0xFFFE == 0xFFFE or \
                0xFDD0 <= code <= 0xFDEF:
            shown.append(f"[U+{code:04X}]")
        else:
            shown.append(char)
    return "".join(shown)


def render(*arguments):
    """Returns the bytes of a sample report."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([SAMPLE, *arguments, "--out", file.name], check=True,
                       stdout=subprocess.DEVNULL)
        return pathlib.Path(file.name).read_bytes()


def hostile(form, everywhere=EVERYWHERE):
    return render(form, "--hostile", str(CORPUS), "--everywhere", everywhere)


class Csv(unittest.TestCase):
    def read(self, form):
        data = hostile(form)
        # latin-1 keeps every byte; newline="" leaves line ends to the reader.
        rows = list(csv.reader(io.StringIO(data.decode("latin-1"), newline=""), strict=True))
        self.assertEqual(rows[0], COLUMNS)
        self.assertEqual({len(row) for row in rows}, {len(COLUMNS)})
        self.assertEqual([row[10] for row in rows[1:]],
                         ["FINDING"] * len(CORPUS_VALUES) + ["NOT_RUN", "WAIVER"])
        return [[cell.encode("latin-1") for cell in row] for row in rows[1:]]

    def test_exact_cells_are_the_bytes(self):
        for row, (name, value) in zip(self.read("csv_exact"), CORPUS_VALUES.items()):
            self.assertEqual(row[0], b"R-" + EVERYWHERE.encode(), name)
            self.assertEqual(row[1], b"FATAL", name)
            for cell in row[2:6]:
                self.assertEqual(cell, value, name)
            for column in (7, 14, 15):
                self.assertEqual(row[column], EVERYWHERE.encode(), name)
            self.assertEqual((row[8], row[11]), (b"NEW", b"1"), name)
            self.assertEqual((row[9], row[12]), (value, value), name)
            escaped = re.sub(rb"([\\;])", rb"\\\1", value)
            in_name = re.sub(rb"([\\;=])", rb"\\\1", value)
            self.assertEqual(row[6], b"value=" + escaped + b"; name " + in_name + b"=x", name)

    def test_no_cell_for_people_is_a_formula(self):
        names = [*CORPUS_VALUES.items(), ("not run", EVERYWHERE.encode()), ("waiver", b"")]
        for row, (name, value) in zip(self.read("csv"), names, strict=True):
            for cell in row:
                # Also for a program that was told another delimiter.
                for part in re.split(rb"[;\t\r\n]", cell):
                    text = unicodedata.normalize("NFKC", part.decode("utf-8", "replace"))
                    first = text.lstrip(" \u200b\ufeff")[:1]
                    self.assertTrue(first == "" or first not in FORMULA, (name, cell))
            self.assertEqual(row[2].replace(b"'", b""), value.replace(b"'", b""), name)

    def test_lines_end_as_the_rfc_says(self):
        lines = hostile("csv_exact").split(b"\r\n")
        self.assertEqual(lines[0], ",".join(COLUMNS).encode())
        self.assertEqual(lines[-1], b"")


class Json(unittest.TestCase):
    def test_values_come_back(self):
        data = hostile("json")
        report = json.loads(data.decode("utf-8"))
        self.assertEqual(report["schema"], "edcert.report/2")
        self.assertEqual(report["organization_display_name"], EVERYWHERE)
        self.assertEqual(report["verdict"], "BLOCKED")
        self.assertEqual(report["rules"][1]["error"], EVERYWHERE)
        self.assertEqual(len(report["findings"]), len(CORPUS_VALUES))
        self.assertEqual(report["findings_listed"], len(CORPUS_VALUES))
        for finding, (name, value) in zip(report["findings"], CORPUS_VALUES.items()):
            text = decoded(value)
            for member in ("dataset", "record_key", "school", "school_display_name", "message",
                           "waived_until"):
                self.assertEqual(one_mark(finding[member]), text, name)
            self.assertEqual({one_mark(key): one_mark(value) for key, value
                              in finding["fields"].items()},
                             {"value": text, "name " + text: "x"}, name)
            self.assertEqual(finding["change"], "NEW", name)

    def test_the_file_shows_what_it_holds(self):
        text = hostile("json").decode("utf-8")
        self.assertNotIn("</", text)
        self.assertNotIn("<!--", text)
        hidden = [char for char in text if char != "\n" and
                  unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
        self.assertEqual(hidden, [])

    def test_each_finding_is_a_line(self):
        text = hostile("json").decode("utf-8")
        listed = text[text.index('"findings": [\n') + 14:text.rindex("\n],\n")].split(",\n")
        self.assertEqual(len(listed), len(CORPUS_VALUES))
        for line in listed:
            self.assertIn("record_key", json.loads(line))

    def check(self, schema, value, where):
        """The part of JSON Schema that the schema uses."""
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
                 "null": type(None)}
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        self.assertIn(type(value), [kinds[each] for each in types], where)
        if "enum" in schema:
            self.assertIn(value, schema["enum"], where)
        if "const" in schema:
            self.assertEqual(value, schema["const"], where)
        if "pattern" in schema:
            self.assertRegex(value, schema["pattern"], where)
        if "minimum" in schema and value is not None:
            self.assertGreaterEqual(value, schema["minimum"], where)
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.check(schema["items"], item, f"{where}[{index}]")
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            self.assertEqual(list(value)[:len(properties)], list(properties), where)
            self.assertLessEqual(set(schema.get("required", [])), set(value), where)
            for name, item in value.items():
                self.check(properties.get(name) or schema["additionalProperties"], item,
                           f"{where}.{name}")

    def test_is_as_the_schema_says(self):
        schema = json.loads(SCHEMA.read_text("utf-8"))
        for data in (hostile("json"), render("json"), render("json", "--findings", "0")):
            self.check(schema, json.loads(data), "report")


class Xlsx(unittest.TestCase):
    def setUp(self):
        self.book = zipfile.ZipFile(io.BytesIO(hostile("xlsx")))

    @staticmethod
    def rows(book, number):
        """The rows of a sheet, each {column: text or number}; every part is parsed strictly."""
        tree = xml.etree.ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
        rows = []
        for row in tree.iter(SHEET + "row"):
            cells = {}
            for cell in row:
                column = re.match("[A-Z]+", cell.get("r")).group()
                if cell.get("t") == "inlineStr":
                    text = "".join(part.text or "" for part in cell.iter(SHEET + "t"))
                    cells[column] = re.sub("_x([0-9A-Fa-f]{4})_",
                                           lambda match: chr(int(match.group(1), 16)), text)
                elif cell.find(SHEET + "v") is not None:
                    cells[column] = float(cell.find(SHEET + "v").text)
            rows.append(cells)
        return rows

    def test_is_a_whole_book_without_anything_active(self):
        self.assertIsNone(self.book.testzip())
        for name in self.book.namelist():
            self.assertRegex(name, r"\.(xml|rels)$")
            xml.etree.ElementTree.fromstring(self.book.read(name))
            self.assertNotRegex(name, "vba|external|embed|macro|connection")
            self.assertNotIn(b"TargetMode", self.book.read(name))
            self.assertNotRegex(self.book.read(name), rb"<f[ >]|<ddeLink|t=\"str\"")

    def test_sheets(self):
        book = xml.etree.ElementTree.fromstring(self.book.read("xl/workbook.xml"))
        self.assertEqual([sheet.get("name") for sheet in book.iter(SHEET + "sheet")],
                         ["Summary", "Rules", "Schools", "Findings"])

    def test_texts_are_texts(self):
        rows = self.rows(self.book, 4)
        self.assertEqual(list(rows[0].values())[:3], ["Rule", "Severity", "Dataset"])
        self.assertEqual(len(rows) - 1, len(CORPUS_VALUES))
        for row, (name, value) in zip(rows[1:], CORPUS_VALUES.items()):
            shown = visible(value)
            for column in "CDEFGK":
                self.assertEqual(one_mark(row.get(column, "")), shown, name)
            self.assertEqual(one_mark(row["H"]), f"value = {shown}\nname {shown} = x", name)
            self.assertEqual(row["A"], "R-" + EVERYWHERE)
            self.assertEqual(row["I"], "New")

    def test_counts_are_numbers(self):
        rules = self.rows(self.book, 2)
        self.assertEqual(rules[1]["F"], len(CORPUS_VALUES))
        self.assertNotIn("F", rules[2], "what a rule that did not run would find is unknown")
        self.assertEqual([row["G"] for row in self.rows(self.book, 3)[1:]], [10.0])
        self.assertEqual(self.rows(self.book, 1)[1]["A"], EVERYWHERE)

    def test_tables_have_a_head_that_stays_and_filters(self):
        for number in (2, 3, 4):
            sheet = self.book.read(f"xl/worksheets/sheet{number}.xml").decode()
            self.assertIn('state="frozen"', sheet)
            self.assertIn("<autoFilter ", sheet)
            self.assertIn("<cols>", sheet)

    def test_findings_go_on_to_the_next_sheet(self):
        book = zipfile.ZipFile(io.BytesIO(render("xlsx", "--findings", "300", "--max-rows", "101")))
        names = xml.etree.ElementTree.fromstring(book.read("xl/workbook.xml"))
        self.assertEqual([sheet.get("name") for sheet in names.iter(SHEET + "sheet")][3:],
                         ["Findings", "Findings 2", "Findings 3"])
        keys = []
        for number in (4, 5, 6):
            rows = self.rows(book, number)
            self.assertEqual(rows[0]["F"], "Record")
            self.assertEqual(len(rows), 101)
            self.assertIn(b'<autoFilter ref="A1:K101"/>',
                          book.read(f"xl/worksheets/sheet{number}.xml"))
            keys += [row["F"] for row in rows[1:]]
        self.assertEqual(len(set(keys)), 300)
        self.assertEqual(keys, sorted(keys))


class Pdf(unittest.TestCase):
    @staticmethod
    def run_on(data, program, *arguments):
        with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
            file.write(data)
            file.flush()
            return subprocess.run([program, *[file.name if each == "FILE" else each
                                              for each in arguments]],
                                  check=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT).stdout.decode("utf-8", "replace")

    def text(self, data):
        return self.run_on(data, "pdftotext", "-raw", "FILE", "-").rstrip("\f").split("\f")

    def test_pages_are_counted_and_heads_repeated(self):
        pages = self.text(render("pdf", "--findings", "300"))
        self.assertGreater(len(pages), 8)
        for number, page in enumerate(pages, start=1):
            self.assertIn(f"Page {number} of {len(pages)}", page)
        for page in pages[3:-1]:
            self.assertRegex(page, "Record +School +What is wrong +Values")
        self.assertIn("End of the report: 300 records listed", re.sub(r"\s+", " ", pages[-1]))
        everything = re.sub(r"\s", "", "".join(pages))
        for number in range(300):
            self.assertIn(f"S{200000 + number:07}/", everything)

    def test_scripts_of_the_world(self):
        everything = "".join(self.text(render("pdf", "--findings", "12")))
        for word in ("Escuela José Martí", "北谷小学"):
            self.assertIn(word, everything)
        self.assertLessEqual(set("مدرسةالنور"), set(unicodedata.normalize("NFKC", everything)))
        self.assertNotIn("\ufffd", everything)

    def test_hostile_values_are_shown_and_do_nothing(self):
        data = hostile("pdf")
        info = self.run_on(data, "pdfinfo", "FILE")
        self.assertRegex(info, r"JavaScript: +no")
        self.assertRegex(info, r"Form: +none")
        self.assertRegex(info, r"Page size: +612 x 792")
        for active in (b"/JS", b"/JavaScript", b"/Launch", b"/URI", b"/OpenAction", b"/AA",
                       b"/EmbeddedFile", b"/SubmitForm", b"/RichMedia"):
            self.assertNotIn(active, data)
        everything = re.sub(r"\s", "", "".join(self.text(data)))
        for name, value in CORPUS_VALUES.items():
            shown = re.sub(r"\s", "", visible(value))
            if shown.isascii():
                self.assertIn(shown, everything, name)

    def test_every_font_is_in_the_file(self):
        fonts = self.run_on(render("pdf"), "pdffonts", "FILE").splitlines()[2:]
        self.assertGreater(len(fonts), 1)
        for font in fonts:
            self.assertRegex(font, r" yes +yes +yes +\d+ +0$")


class Page(html.parser.HTMLParser):
    def __init__(self, data):
        super().__init__(convert_charrefs=True)
        self.tags = []
        self.cells = []
        self.feed(data.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        self.tags.append(tag)

    def handle_data(self, data):
        self.cells.append(data)


class Html(unittest.TestCase):
    def test_values_are_text_and_nothing_else(self):
        page = Page(hostile("html"))
        plain = Page(hostile("html", "plain"))
        self.assertEqual(page.tags, plain.tags)
        self.assertNotIn("script", {tag[0] for tag in page.tags})
        cells = {one_mark(cell) for cell in page.cells}
        for name, value in CORPUS_VALUES.items():
            if value:
                self.assertIn(visible(value), cells, name)


class Equal(unittest.TestCase):
    def test_equal_reports_are_equal_files(self):
        for form in ("html", "csv", "csv_exact", "json", "xlsx", "pdf"):
            self.assertEqual(render(form), render(form), form)


if __name__ == "__main__":
    SAMPLE = sys.argv.pop(1)
    unittest.main()
