#!/usr/bin/env python3
"""Converts the Grand Bend sample district into the datasets of edcert.

  grand_bend.py DIR OUT

reads DIR/organization.csv, DIR/student.csv and DIR/attendance.csv and writes organization.csv,
enrollment.csv and attendance_event.csv to OUT. Nothing is corrected: what the rules find later is in
the sample.

What the sample knows and what it does not:

* attendance.csv becomes attendance_event row by row. The category becomes its code ("Excused
  Absence" is EXCUSED_ABSENCE), the reason, the duration and the session stay as they are, and the
  school year is the year in which it ends (2021-2022 is 2022). The sample does not say what an event
  concerns, so event_type is empty.
* The sample has no enrollment. Each student seen in attendance at a school in a school year gets one
  enrollment row with the number, the names and the birth date of student.csv, the school and the
  school year. Students without attendance get no row: the sample does not say which school they
  attend.
* entry_date is NOT a fact of the sample: it is the date of the student's first attendance event at
  that school in that year, the first day on which we know the student there. The dataset needs a
  date and any other would be made up. So no event can lie before the entry date.
* Everything else (sex, ethnicity and race, grade, exit, status, full-time share, language,
  programmes) is empty. The rules on ethnicity and race therefore find every row.
"""

import csv
import pathlib
import sys

from generate import COLUMNS, write


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def code(label):
    """The code of a category: its words in capitals."""
    return "_".join(label.upper().replace("/", " ").replace("-", " ").split())


def year_of(text):
    """The year in which a school year such as 2021-2022 ends."""
    return text.split("-")[1]


def convert(students, attendance):
    """(enrollment rows, attendance_event rows)."""
    events, first_day = [], {}
    for row in attendance:
        year = year_of(row["school_year"])
        events.append(dict(
            student_uid=row["student_id"], school_id=row["school_id"], event_date=row["event_date"],
            category=code(row["category"]), event_type="", absence_reason=row["reason"],
            duration_days=row["duration_days"], session=row["session"], school_year=year))
        place = (row["student_id"], row["school_id"], year)
        first_day[place] = min(first_day.get(place, row["event_date"]), row["event_date"])
    people = {row["student_id"]: row for row in students}
    enrollment = []
    for (student, school, year), day in sorted(first_day.items()):
        person = people.get(student, {})
        row = dict.fromkeys(COLUMNS["enrollment"], "")
        row.update(student_uid=student, school_id=school, school_year=year, entry_date=day)
        row.update({name: person.get(name, "") for name in
                    ("first_name", "middle_name", "last_name", "birth_date")})
        enrollment.append(row)
    return enrollment, events


def main(argv):
    if len(argv) != 2:
        sys.exit("usage: grand_bend.py DIR OUT")
    source, out = map(pathlib.Path, argv)
    enrollment, events = convert(read(source / "student.csv"), read(source / "attendance.csv"))
    out.mkdir(parents=True, exist_ok=True)
    write(out / "organization.csv", COLUMNS["organization"], read(source / "organization.csv"))
    write(out / "enrollment.csv", COLUMNS["enrollment"], enrollment)
    write(out / "attendance_event.csv", COLUMNS["attendance_event"], events)
    print(f"enrollment: {len(enrollment)} rows")
    print(f"attendance_event: {len(events)} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
