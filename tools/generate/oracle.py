"""What rules in rules/ must find, computed a second way: those of which mistakes are generated.

The rules are SQL and run in the rule engine. This module says the same in plain Python over the rows
of a generated district, so that a defect in a rule, in an evaluator or in the generator shows up as a
difference. It is slow and simple on purpose.
"""

import datetime
from collections import defaultdict
from decimal import Decimal

KEYS = {
    "enrollment": ("student_uid", "school_id", "entry_date"),
    "attendance_summary": ("student_uid", "school_id", "calendar_track", "reporting_period"),
    "attendance_event": ("student_uid", "school_id", "event_date", "category"),
    "calendar_day": ("school_id", "calendar_track", "calendar_date"),
    "behavior_incident": ("school_year", "incident_id"),
    "behavior_involvement": ("school_year", "incident_id", "student_uid"),
    "behavior_action": ("school_year", "incident_id", "student_uid", "action_id"),
    "special_education": ("student_uid", "program", "program_start"),
    "organization": ("organization_id",),
    "code": ("code_list", "code"),
}

# The datasets that a rule reads; the first is the one whose records it finds.
READS = {
    "ATT-006": ("attendance_summary", "enrollment"),
    "ATT-008": ("enrollment", "attendance_summary"),
    "ATT-009": ("attendance_event", "enrollment"),
    "ATT-010": ("attendance_event",),
    "ATT-024": ("attendance_event",),
    "ATT-025": ("attendance_event",),
    "ATT-026": ("attendance_summary", "attendance_event"),
}

FULL_DAY = ("IN_ATTENDANCE", "EXCUSED_ABSENCE", "UNEXCUSED_ABSENCE")
ABSENCES = ("EXCUSED_ABSENCE", "UNEXCUSED_ABSENCE")
PARTS = ("days_present", "days_present_iss", "days_absent_excused", "days_absent_unexcused",
         "days_absent_oss", "days_independent_study")


def reads(code):
    """The datasets that the rule `code` reads."""
    default = "enrollment" if code.startswith("ENR") else "attendance_summary"
    return READS.get(code, (default,))


def record_key(dataset, row):
    """The record key: the values of the key columns joined by `|`."""
    return "|".join(row[column] for column in KEYS[dataset])


def _date(text):
    return datetime.date.fromisoformat(text) if text else None


def _number(text):
    return Decimal(text) if text else None


def _zero(text):
    return Decimal(text) if text else Decimal(0)


AGES = {"KG": (4, 7), **{f"{grade:02}": (grade + 3, grade + 9) for grade in range(1, 13)}}


def _age(on, born):
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _enrollment_row(row):
    entry, leave, born = _date(row["entry_date"]), _date(row["exit_date"]), _date(row["birth_date"])
    year, grade, kind = int(row["school_year"]), row["grade_level"], row["exit_type"]
    if born is None or born >= entry:
        yield "ENR-002"
    first = entry - datetime.timedelta(days=1) if kind == "NO_SHOW" else entry
    if leave and leave < first:
        yield "ENR-004"
    if bool(leave) != bool(kind):
        yield "ENR-005"
    end = datetime.date(year, 6, 30)
    if entry > end or (leave and leave > end + datetime.timedelta(days=30)):
        yield "ENR-006"
    if born:
        age = _age(datetime.date(year - 1, 10, 1), born)
        youngest, oldest = AGES.get(grade, (age, age))
        if not youngest <= age <= oldest:
            yield "ENR-008"
    if not row["hispanic_latino"] or not row["race"]:
        yield "ENR-009"
    if row["fte"] and not 0 <= Decimal(row["fte"]) <= 1:
        yield "ENR-010"
    if kind == "GRADUATED" and (grade not in ("12", "AE") or not row["diploma_type"]
                                or not row["diploma_date"]):
        yield "ENR-017"
    if row["home_language"] not in ("", "eng") and not row["el_status"]:
        yield "ENR-019"
    if row["unaccompanied_youth"] == "true" and row["homeless"] != "true":
        yield "ENR-020"
    if any(c.isdigit() for c in row["first_name"] + row["last_name"]):
        yield "ENR-027"


def _shared(rows, key, takes_part):
    """Every row that shares its whole key with another row."""
    groups = defaultdict(list)
    for row in rows:
        values = tuple(row[column] for column in key)
        if all(values) and takes_part(row):
            groups[values].append(row)
    return [row for group in groups.values() if len(group) > 1 for row in group]


def _overlapping(rows, partition, tolerance, between=lambda row, other: True):
    """Every row that shares more than `tolerance` days with another row of its partition, of those
    between which that is a mistake."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[column] for column in partition)].append(row)
    bad = []
    for values, group in groups.items():
        if len(group) < 2 or not all(values):
            continue
        spans = [(_date(r["entry_date"]), _date(r["exit_date"]) or datetime.date.max, r)
                 for r in group]
        for i, (start, end, row) in enumerate(spans):
            for j, (other_start, other_end, other) in enumerate(spans):
                days = (min(end, other_end) - max(start, other_start)).days + 1
                if i != j and days > tolerance and between(row, other):
                    bad.append(row)
                    break
    return bad


def _summary_row(row):
    expected = _number(row["days_expected"])
    counts = [_number(row[c]) for c in ("days_expected",) + PARTS]
    known = [c for c in counts if c is not None]
    if any(c < 0 or c * 2 % 1 != 0 for c in known):
        yield "ATT-001"
    exempt = row["exemption_reason"]
    if not exempt and expected is not None and expected != sum(_zero(row[c]) for c in PARTS):
        yield "ATT-002"
    needed = [bool(row[c]) for c in ("days_expected", "days_present", "days_absent_excused",
                                     "days_absent_unexcused")]
    if any(row[c] for c in ("days_expected",) + PARTS) if exempt else not all(needed):
        yield "ATT-004"
    attended = sum(_zero(row[c]) for c in
                   ("days_present", "days_present_iss", "days_independent_study"))
    perfect_year = (row["reporting_period"] == "0" and expected is not None and expected > 170
                    and _number(row["days_present"]) == expected)
    if perfect_year or (expected is not None and expected > 20 and attended == 0):
        yield "ATT-015"
    absent = sum(_zero(row[c]) for c in
                 ("days_absent_excused", "days_absent_unexcused", "days_absent_oss"))
    if expected and expected > 0 and row["chronic_absent"]:
        if (row["chronic_absent"] == "true") != (absent * 10 >= expected):
            yield "ATT-022"


def _enrollment_rules(rows, found):
    for row in rows:
        for code in _enrollment_row(row):
            found[code].add(record_key("enrollment", row))

    def open_primary(row):
        return not row["exit_date"] and row["enrollment_status"] == "PRIMARY"

    primary = [row for row in rows if row["enrollment_status"] == "PRIMARY"]
    for code, bad in (
            ("ENR-011", _shared(rows, ("student_uid", "school_year"), open_primary)),
            ("ENR-012", _overlapping(primary, ("student_uid", "school_id"), 0)),
            ("ENR-013", _overlapping(primary, ("student_uid",), 5,
                                     lambda row, other: row["school_id"] != other["school_id"])),
            ("ENR-016", _shared(rows, ("first_name", "last_name", "birth_date"), open_primary)),
    ):
        found[code].update(record_key("enrollment", row) for row in bad)
    on_count_date = defaultdict(int)
    for row in rows:
        day = datetime.date(int(row["school_year"]) - 1, 10, 1).isoformat()
        there = row["entry_date"] <= day and (not row["exit_date"] or row["exit_date"] >= day)
        on_count_date[row["school_id"]] += there
    found["ENR-021"].update(school for school, count in on_count_date.items() if count == 0)


def _summary_rules(rows, found):
    expected, attended = defaultdict(Decimal), defaultdict(Decimal)
    for row in rows:
        for code in _summary_row(row):
            found[code].add(record_key("attendance_summary", row))
        expected[row["school_id"]] += _zero(row["days_expected"])
        attended[row["school_id"]] += sum(_zero(row[c]) for c in (
            "days_present", "days_present_iss", "days_independent_study"))
    key = ("student_uid", "school_id", "school_year", "reporting_period")
    found["ATT-005"].update(record_key("attendance_summary", row)
                            for row in _shared(rows, key, lambda _: True))
    for school, days in expected.items():
        if days > 0 and not Decimal("0.80") * days <= attended[school] <= Decimal("0.995") * days:
            found["ATT-017"].add(school)


def _event_rules(rows, found):
    for row in rows:
        if not row["duration_days"]:
            found["ATT-024"].add(record_key("attendance_event", row))
        if _date(row["event_date"]).weekday() >= 5:
            found["ATT-025"].add(record_key("attendance_event", row))

    def full_day(row):
        return row["category"] in FULL_DAY and Decimal(row["duration_days"] or 1) >= 1

    key = ("student_uid", "school_id", "event_date")
    found["ATT-010"].update(record_key("attendance_event", row)
                            for row in _shared(rows, key, full_day))


def _rules_over_two(enrollment, summary, event, found):
    def place(row):
        return row["student_uid"], row["school_id"]

    spells = defaultdict(list)
    for row in enrollment:
        spells[place(row)].append(row)
    summarised = {place(row) for row in summary}
    found["ATT-006"].update(record_key("attendance_summary", r) for r in summary
                            if place(r) not in spells)
    found["ATT-008"].update(record_key("enrollment", r) for r in enrollment
                            if place(r) not in summarised)
    for row in event:
        day = row["event_date"]
        if not any(s["entry_date"] <= day and (not s["exit_date"] or day <= s["exit_date"])
                   for s in spells[place(row)]):
            found["ATT-009"].add(record_key("attendance_event", row))
    seen, summed = defaultdict(Decimal), defaultdict(Decimal)
    for row in event:
        if row["category"] in ABSENCES:
            seen[place(row)] += _zero(row["duration_days"])
    for row in summary:
        summed[place(row)] += sum(_zero(row[c]) for c in (
            "days_absent_excused", "days_absent_unexcused", "days_absent_oss"))
    found["ATT-026"].update(record_key("attendance_summary", r) for r in summary
                            if place(r) in seen and seen[place(r)] > summed[place(r)])


# Rules over what is generated of which no mistake is planted: the numbers of the register are made
# up without check digit, and who left may have no next school. state_oracle.py has them.
NOT_RESTATED = ("ENR-001", "ENR-003", "ENR-010B", "ENR-016B", "ENR-018")

CODES = tuple(f"ENR-{n:03}" for n in (2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 16, 17, 19, 20, 21, 27)) + \
        tuple(f"ATT-{n:03}" for n in (1, 2, 4, 5, 6, 8, 9, 10, 15, 17, 22, 24, 25, 26))


def find(tables):
    """For each rule the set of record keys (or, for sums over a school, school ids) it must find.

    `tables` maps the three datasets to lists of rows, each a dict of texts as in the CSV files.
    """
    found = defaultdict(set)
    _enrollment_rules(tables["enrollment"], found)
    _summary_rules(tables["attendance_summary"], found)
    _event_rules(tables["attendance_event"], found)
    _rules_over_two(tables["enrollment"], tables["attendance_summary"],
                    tables["attendance_event"], found)
    return {code: found[code] for code in CODES}
