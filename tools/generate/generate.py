#!/usr/bin/env python3
"""Makes a district: organisations, enrollment, attendance, and mistakes whose places are known.

  generate.py --seed 7 --students 5000 --schools 8 --out DIR [--clean]

writes organization.csv, enrollment.csv, attendance_summary.csv, attendance_event.csv and truth.json
in the columns of services/dataset/definitions. The same arguments give the same bytes. Nobody in it
exists.

truth.json says for every rule that oracle.py restates which records it must find: record keys, or school ids for
the rules that judge schools. It holds what oracle.py finds in the rows, after checking that every
mistake planted here is among it; one mistake may be found by several rules.

With --clean the same district is written with the mistakes corrected and nothing else changed; no
rule finds anything in it.
"""

import argparse
import csv
import datetime
import json
import pathlib
import random
import sys

import oracle

FIRST_NAMES = """
Aaliyah Aaron Abdi Abigail Adam Adriana Aiden Alejandra Alexander Alice Alina Amara Amir Ana Andre
Angela Anh Anthony Aria Arjun Ashley Austin Ava Beatriz Benjamin Bianca Brandon Brianna Caleb Camila
Carlos Caroline Charlotte Chidi Chloe Christopher Clara Connor Daniel Daniela Darius David Delilah
Diego Dominic Dylan Eduardo Elena Eli Elijah Elizabeth Emily Emma Eric Esther Ethan Eva Fatima
Felix Fernando Fiona Gabriel Gabriela Genevieve George Grace Hana Hannah Harper Hassan Henry Hugo
Ian Ibrahim Imani Isaac Isabella Ivan Jack Jada Jaden James Jasmine Javier Jayla Jennifer Jesus
Joanna Jordan Jose Joseph Joshua Juan Julia Julian Kai Kaitlyn Karina Kayla Keisha Kevin Khadija
Kiara Lakshmi Landon Laura Layla Leah Leo Leonardo Levi Liam Lily Linh Logan Lucas Lucia Luna Madison
Malik Marcus Maria Mariana Mason Mateo Maya Mei Melissa Mia Micah Miguel Mila Minh Miriam Mohamed
Naomi Natalia Nathan Nia Nicholas Noah Nora Oliver Olivia Omar Oscar Owen Paige Patrick Paula Penelope
Priya Quinn Rachel Rafael Ramon Rebecca Ricardo Riley Robert Rosa Ruby Ryan Samantha Samuel Santiago
Sara Savannah Sebastian Sofia Sophie Stella Sydney Tatiana Terrence Thomas Tiana Trinity Tyler
Valentina Vanessa Victor Victoria Violet Wei William Wyatt Xavier Yara Yusuf Zachary Zoe
""".split()

LAST_NAMES = """
Abbott Abdullah Acosta Adams Aguilar Ahmed Ali Allen Alvarez Anderson Archer Arias Bailey Baker
Ballard Barnes Barrera Becker Begaye Bell Bennett Benson Bishop Blackwell Bowman Boyd Bradford Brooks
Brown Bryant Burke Butler Cabrera Calderon Campbell Cardenas Carpenter Carter Castillo Castro
Chambers Chang Chavez Chen Cho Clark Coleman Collins Contreras Cooper Cortez Cruz Cunningham Dalton
Daniels Davis Delgado Diaz Dixon Dominguez Douglas Duncan Dunn Edwards Elliott Ellis Espinoza Estrada
Evans Farah Fernandez Fields Figueroa Fisher Fleming Flores Foster Franklin Freeman Fuentes Gallagher
Garcia Gibson Gomez Gonzalez Graham Grant Greene Griffin Guerrero Gupta Gutierrez Hall Hamilton
Hansen Harper Harris Hassan Hayes Henderson Hernandez Herrera Hicks Hoffman Holloway Howard Huang
Hughes Hunt Hussein Ibarra Jackson Jacobs Jenkins Jensen Jimenez Johnson Jones Joseph Juarez Kelly
Kennedy Khan Kim King Knight Kowalski Kumar Lambert Lang Larson Le Lee Lewis Li Lin Lopez Lozano Luna
Lynch Maldonado Marshall Martin Martinez Mason McBride McCoy McKenzie Medina Mejia Mendez Meyer
Miller Mills Mitchell Mohamed Molina Montgomery Moore Morales Moreno Morgan Morris Munoz Murphy Myers
Nakamura Navarro Nelson Newman Nguyen Nichols Nunez Obrien Ochoa Okafor Olsen Ortega Ortiz Owens
Pacheco Palmer Park Parker Patel Patterson Perez Perkins Peters Pham Phillips Pierce Porter Powell
Price Quinn Ramirez Ramos Reed Reyes Reynolds Rice Richardson Rios Rivera Roberts Robinson Rodriguez
Rogers Romero Rosales Ross Ruiz Russell Ryan Salazar Sanchez Sandoval Santos Schmidt Schneider
Schroeder Scott Shah Shaw Silva Simmons Singh Smith Snyder Solis Soto Spencer Stevens Stewart Stone
Sullivan Sutton Tanaka Taylor Thomas Thompson Torres Tran Trujillo Tucker Turner Valdez Valencia
Vargas Vasquez Vega Vu Wagner Walker Wallace Ward Washington Watson Webb Weber Wells West Wheeler
White Williams Willis Wilson Wong Wood Wright Yang Yazzie Young Zamora Zhang Zimmerman
""".split()

SCHOOL_NAMES = """
Cedar Ridge;Lakeview;Washington;Prairie Creek;Oak Hill;Riverside;Lincoln;Meadowbrook;Sunset;
Pine Grove;Franklin;Westfield;Maple Street;Harbor;Jefferson;Stone Bridge;Eastgate;Willow Springs;
Roosevelt;Blue Mesa;North Fork;Highland;Douglass;Canyon View;Brookside;Tubman;Heritage;Fairview
""".replace("\n", "").split(";")

GRADES = ["KG"] + [f"{n:02}" for n in range(1, 13)]
SPANS = {"Elementary School": GRADES[:6], "Middle School": GRADES[6:9],
         "High School": GRADES[9:], "Learning Center": GRADES[9:], "School": GRADES}

RACES = [("WHITE", 52), ("BLACK_OR_AFRICAN_AMERICAN", 16), ("ASIAN", 7),
         ("AMERICAN_INDIAN_OR_ALASKA_NATIVE", 3), ("NATIVE_HAWAIIAN_OR_PACIFIC_ISLANDER", 1),
         ("OTHER", 14), ("CHOOSE_NOT_TO_RESPOND", 2)]
LANGUAGES = [("eng", 80), ("spa", 13), ("vie", 2), ("ara", 1), ("zho", 1), ("som", 1), ("nav", 1)]
EL_STATUSES = [("LIMITED", 50), ("MONITORED_1", 10), ("MONITORED_2", 10), ("NOT_LIMITED", 30)]

COLUMNS = {
    "organization": "organization_id kind name parent_id".split(),
    "enrollment": """student_uid school_id entry_date school_year first_name middle_name last_name
        birth_date sex hispanic_latino race grade_level entry_type exit_date exit_type
        enrollment_status fte residence_lea_id home_language el_status econ_disadvantaged homeless
        unaccompanied_youth diploma_type diploma_date calendar_track""".split(),
    "attendance_summary": """student_uid school_id calendar_track reporting_period school_year
        grade_level days_expected days_present days_present_iss days_absent_excused
        days_absent_unexcused days_absent_oss days_independent_study tardies chronic_absent
        exemption_reason""".split(),
    "attendance_event": """student_uid school_id event_date category event_type absence_reason duration_days
        session school_year""".split(),
}
DATASETS = ("enrollment", "attendance_summary", "attendance_event")


def pick(rng, weighted):
    return rng.choices([v for v, _ in weighted], [w for _, w in weighted])[0]


def flag(value):
    return "true" if value else "false"


def school_days(year):
    """The instructional days of a school year, without the usual holidays."""
    first = datetime.date(year - 1, 8, 15)
    while first.weekday() != 0:
        first += datetime.timedelta(days=1)
    last = datetime.date(year, 5, 29)
    closed = set()

    def close(start, days):
        closed.update(start + datetime.timedelta(days=n) for n in range(days))

    def nth(y, month, weekday, n):
        day = datetime.date(y, month, 1)
        while day.weekday() != weekday:
            day += datetime.timedelta(days=1)
        return day + datetime.timedelta(weeks=n - 1)

    close(nth(year - 1, 9, 0, 1), 1)
    close(nth(year - 1, 10, 0, 2), 1)
    close(nth(year - 1, 11, 3, 4) - datetime.timedelta(days=1), 3)
    close(datetime.date(year - 1, 12, 21), 15)
    close(nth(year, 1, 0, 3), 1)
    close(nth(year, 2, 0, 3), 1)
    close(nth(year, 3, 0, 3), 5)
    close(nth(year, 5, 0, 5) if nth(year, 5, 0, 5).month == 5 else nth(year, 5, 0, 4), 1)
    days, day = [], first
    while day <= last:
        if day.weekday() < 5 and day not in closed:
            days.append(day)
        day += datetime.timedelta(days=1)
    return days


class District:
    """One generated district. `clean` leaves the mistakes out and changes nothing else.

    Both ways the same mistakes are drawn, so that the records that carry none are the same;
    `touched` has the keys of those that do, wrong or corrected: of a record, or student and school.
    """

    datasets = DATASETS

    def __init__(self, seed, students, schools, year, periods, clean):
        self.seed, self.year, self.clean = seed, year, clean
        self.students, self.count = [], students
        self.days = school_days(year)
        # The day's text, its period and its place, so that no date is formatted twice.
        self.texts = [day.isoformat() for day in self.days]
        size = -(-len(self.days) // periods)
        self.period_of = [n // size + 1 for n in range(len(self.days))]
        self.january = next(n for n, day in enumerate(self.days) if day.year == year)
        self.rng = random.Random(f"{seed}/district")
        self.mistakes = random.Random(f"{seed}/mistakes")
        self.planted = []  # (rule, record key) pairs
        self.used = set()  # students that carry a mistake
        self.touched = {name: set() for name in self.datasets}
        self.tables = {name: [] for name in self.datasets}
        self.make_schools(schools)
        self.make_students()

    # ---- The district as it should be ----

    def district_id(self):
        return str(self.rng.randrange(110, 990)) + "9" + f"{self.rng.randrange(1, 30):02}"

    def student_numbers(self):
        return self.rng.sample(range(10**9, 2 * 10**9), self.count)

    def may_suspend(self, grade):
        del grade
        return True

    def make_schools(self, count):
        self.district = self.district_id()
        region = self.district[:3] + "950"
        names = self.rng.sample(SCHOOL_NAMES, min(count, len(SCHOOL_NAMES)))
        if count >= 6:
            high, middle = max(1, count // 8), max(1, count // 5)
            kinds = (["High School"] * high + ["Middle School"] * middle +
                     ["Elementary School"] * (count - high - middle - 1) + ["Learning Center"])
        elif count >= 3:
            kinds = ["High School", "Middle School"] + ["Elementary School"] * (count - 2)
        else:
            kinds = ["School"] * count
        town = self.rng.choice(["Alder", "Bluff", "Cotton", "Dry", "Elm", "Falcon", "Granite"])
        self.organizations = [
            dict(organization_id=region, kind="EducationServiceCenter",
                 name=f"Region {int(region[:3]) % 20 + 1} Education Service Center", parent_id=""),
            dict(organization_id=self.district, kind="LocalEducationAgency",
                 name=f"{town} Valley ISD", parent_id=""),
        ]
        base = {"High School": 1, "Middle School": 41, "Elementary School": 101,
                "Learning Center": 31, "School": 1}
        used, self.schools = {}, []
        for index, kind in enumerate(kinds):
            number = base[kind] + used.get(kind, 0)
            used[kind] = used.get(kind, 0) + 1
            name = names[index % len(names)] + ("" if index < len(names) else f" {index}")
            # A few large schools and many small ones; the learning center is tiny.
            weight = 0.12 if kind == "Learning Center" else 1 / used[kind] ** 0.7
            self.schools.append(dict(id=f"{self.district}{number:03}", kind=kind, weight=weight,
                                     track="E" if kind == "Elementary School" else "A"))
            self.organizations.append(dict(
                organization_id=self.schools[-1]["id"], kind="School", name=f"{name} {kind}",
                parent_id=self.district))
        # Where two mistakes of a whole school go: one has nobody on the count date, one never took
        # attendance. The first school is never touched.
        self.late_school = self.schools[-1]["id"] if count >= 2 else None
        self.silent_school = self.schools[-2]["id"] if count >= 3 else None

    def serving(self, grade, other_than=None):
        return [s for s in self.schools if grade in SPANS[s["kind"]] and s["id"] != other_than
                and (other_than is None or s is not self.schools[-1])]

    def make_students(self):
        taken = set()
        for number in self.student_numbers():
            rng = random.Random(f"{self.seed}/student/{number}")
            student = self.person(rng, number)
            # Namesakes born on one day are a mistake here; a real state has a few.
            while (student["first_name"], student["last_name"], student["birth_date"]) in taken:
                student = self.person(rng, number)
            taken.add((student["first_name"], student["last_name"], student["birth_date"]))
            self.students.append((student, self.spells(rng, student), rng.random()))

    def person(self, rng, number):
        grade = rng.choice(GRADES)
        start = self.year - 1
        born = datetime.date(start - 5 - GRADES.index(grade) - 1, 9, 2) + datetime.timedelta(
            days=rng.randrange(364) - (365 if rng.random() < 0.04 else 0))
        language = pick(rng, LANGUAGES)
        homeless = rng.random() < 0.02
        races = {pick(rng, RACES)}
        if rng.random() < 0.06 and "CHOOSE_NOT_TO_RESPOND" not in races:
            races.add(pick(rng, RACES[:6]))
        return dict(
            student_uid=str(number), school_year=str(self.year),
            first_name=rng.choice(FIRST_NAMES),
            middle_name=rng.choice(FIRST_NAMES) if rng.random() < 0.6 else "",
            last_name=rng.choice(LAST_NAMES) if rng.random() < 0.94 else
            "-".join(rng.sample(LAST_NAMES, 2)),
            birth_date=born.isoformat(), sex=pick(rng, [("FEMALE", 49), ("MALE", 50),
                                                        ("NON_BINARY", 1)]),
            hispanic_latino=flag(rng.random() < 0.27), race=";".join(sorted(races)),
            grade_level=grade, home_language=language,
            el_status="" if language == "eng" else pick(rng, EL_STATUSES),
            econ_disadvantaged=flag(rng.random() < 0.46), homeless=flag(homeless),
            unaccompanied_youth=flag(homeless and rng.random() < 0.12),
            residence_lea_id=self.district if rng.random() < 0.96 else self.district[:3] + "905",
            diploma_type="", diploma_date="")

    def spells(self, rng, student):
        """A list of spells: school, first and last day as indices (None: open), and the rest."""
        grade, last = student["grade_level"], len(self.days) - 1
        home = rng.choices(self.serving(grade), [s["weight"] for s in self.serving(grade)])[0]
        kind = "NEXT_YEAR_SCHOOL" if grade not in ("KG", "06", "09") else "NEW_TO_EDUCATION_SYSTEM" \
            if grade == "KG" else "TRANSFER"
        spell = dict(school=home, first=0, last=None, entry_type=kind, exit_type="",
                     status="PRIMARY", fte="1.00")
        spells, chance = [spell], rng.random()
        others = self.serving(grade, home["id"])
        middle = rng.randrange(20, last - 30)
        if home is self.schools[-1]:
            chance = 1.0
        if home["id"] == self.late_school:
            spell.update(first=self.january)  # it opens in January
        if chance < 0.03:
            spell.update(first=middle, entry_type="TRANSFER")
        elif chance < 0.05:
            spell.update(last=middle, exit_type=rng.choice(["TRANSFERRED", "WITHDRAWN"]))
        elif chance < 0.055 and grade in GRADES[9:]:
            spell.update(last=middle, exit_type="DROPOUT")
        elif chance < 0.09 and others:
            spell.update(last=middle, exit_type="TRANSFERRED")
            spells.append(dict(spell, school=rng.choice(others), first=middle + 1, last=None,
                               entry_type="TRANSFER", exit_type=""))
        elif chance < 0.12 and others and grade in ("11", "12"):
            spell.update(fte="0.75")
            spells.append(dict(spell, school=rng.choice(others), status="SECONDARY", fte="0.25",
                               entry_type="OTHER"))
        if grade == "12" and spells[0]["last"] is None and rng.random() < 0.93:
            student.update(diploma_type=pick(rng, [("REGULAR_DIPLOMA", 80), ("HONORS_DIPLOMA", 20)]),
                           diploma_date=self.texts[last])
            spells[0].update(last=last, exit_type="GRADUATED")
        return spells

    # ---- From students to rows ----

    def enrollment_row(self, student, spell):
        row = dict(student)
        graduated = spell["exit_type"] == "GRADUATED"
        row.update(
            school_id=spell["school"]["id"], entry_date=self.texts[spell["first"]],
            entry_type=spell["entry_type"],
            exit_date="" if spell["last"] is None else self.texts[spell["last"]],
            exit_type=spell["exit_type"], enrollment_status=spell["status"], fte=spell["fte"],
            diploma_type=student["diploma_type"] if graduated else "",
            diploma_date=student["diploma_date"] if graduated else "",
            calendar_track=spell["school"]["track"])
        return row

    def attendance(self, student, spells, exempt):
        """The summary and event rows of one student at one school."""
        school = spells[0]["school"]
        rng = random.Random(f"{self.seed}/days/{student['student_uid']}/{school['id']}")
        rate = min(0.4, rng.betavariate(1.2, 17))
        late = min(0.2, rng.betavariate(1, 60))
        suspended = rng.random() < 0.015 and self.may_suspend(student["grade_level"])
        indices = {n for s in spells for n in
                   range(s["first"], len(self.days) if s["last"] is None else s["last"] + 1)}
        silent = school["id"] == self.silent_school
        if silent:
            self.touched["attendance_summary"].add((student["student_uid"], school["id"]))
            self.touched["attendance_event"].add((student["student_uid"], school["id"]))
        if silent and not self.clean:
            rate = late = 0
        periods = {}
        base = dict(student_uid=student["student_uid"], school_id=school["id"])
        for n in range(len(self.days)):
            # Drawn for every day, there or not: a day does not depend on when the spell begins.
            draw, kind, reason = rng.random(), rng.random(), rng.random()
            if n not in indices:
                continue
            p = periods.setdefault(self.period_of[n], dict(expected=0, iss=0, excused=0,
                                                           unexcused=0, oss=0, tardies=0))
            p["expected"] += 1
            if exempt:
                continue
            if draw < rate:
                self.absence(kind, reason, base, p, n, suspended)
            elif draw < rate + late:
                p["tardies"] += 1
                self.event(base, n, "TARDY", "Tardy", "0.10")
            elif suspended and draw > 0.995:
                p["iss"] += 1
        for period, p in periods.items():
            self.summary(base, school["track"], student["grade_level"], period, p, exempt)

    def absence(self, kind, reason, base, p, n, suspended):
        if suspended and kind < 0.25:
            p["oss"] += 1
            self.event(base, n, "EXCUSED_ABSENCE", "Suspension", "1.00")
        elif kind < 0.05:
            p["excused"] += 0.5
            self.event(base, n, "EXCUSED_ABSENCE", "Medical appointment", "0.50")
        elif kind < 0.62:
            p["excused"] += 1
            reasons = ["Illness", "Illness", "Medical appointment", "Family", "Religious"]
            self.event(base, n, "EXCUSED_ABSENCE", reasons[int(reason * len(reasons))], "1.00")
        else:
            p["unexcused"] += 1
            self.event(base, n, "UNEXCUSED_ABSENCE", "Absent without reason", "1.00")

    def event(self, base, n, category, reason, duration):
        term = "Fall" if n < self.january else "Spring"
        self.tables["attendance_event"].append(dict(
            base, event_date=self.texts[n], category=category, event_type="DAILY", absence_reason=reason,
            duration_days=duration, session=f"{self.year - 1}-{self.year} {term} Semester",
            school_year=str(self.year)))

    def summary(self, base, track, grade, period, p, exempt):
        row = dict(base, calendar_track=track, reporting_period=str(period),
                   school_year=str(self.year), grade_level=grade)
        if exempt:
            row.update(days_expected="", days_present="", days_present_iss="",
                       days_absent_excused="", days_absent_unexcused="", days_absent_oss="",
                       days_independent_study="", tardies="", chronic_absent="",
                       exemption_reason="HOME_HOSPITAL")
        else:
            absent = p["excused"] + p["unexcused"] + p["oss"]
            row.update(days_expected=f"{p['expected']:.1f}",
                       days_present=f"{p['expected'] - absent - p['iss']:.1f}",
                       days_present_iss=f"{p['iss']:.1f}",
                       days_absent_excused=f"{p['excused']:.1f}",
                       days_absent_unexcused=f"{p['unexcused']:.1f}",
                       days_absent_oss=f"{p['oss']:.1f}", days_independent_study="0.0",
                       tardies=str(p["tardies"]), chronic_absent=flag(absent * 10 >= p["expected"]),
                       exemption_reason="")
        self.tables["attendance_summary"].append(row)

    def build(self):
        self.plant_spells()
        self.make_records()
        self.plant_records()

    def make_records(self):
        for student, spells, luck in self.students:
            for spell in spells:
                self.tables["enrollment"].append(self.enrollment_row(student, spell))
            schools = {}
            for spell in spells:
                schools.setdefault(spell["school"]["id"], []).append(spell)
            for group in schools.values():
                self.attendance(student, group, luck < 0.004)

    def plant_records(self):
        self.plant_enrollment()
        self.plant_attendance()

    # ---- Mistakes ----

    def quota(self):
        return min(50, max(2, self.count // 500))

    def late_quota(self, late):
        return min(self.quota(), len(late))

    def plain(self, spells):
        return (len(spells) == 1 and spells[0]["first"] == 0 and spells[0]["last"] is None
                and spells[0]["school"]["id"] not in (self.late_school, self.silent_school))

    def take(self, suits, count=None):
        """Students without special traits and without a mistake so far."""
        pool = [(s, spells) for s, spells, luck in self.students if self.plain(spells)
                and luck >= 0.004 and s["student_uid"] not in self.used and suits(s, spells)]
        chosen = self.mistakes.sample(pool, min(count or self.quota(), len(pool)))
        self.used.update(s["student_uid"] for s, _ in chosen)
        return chosen

    def plant(self, code, dataset, row):
        """Notes that the rule finds the row."""
        self.touched[dataset].add(oracle.record_key(dataset, row))
        if not self.clean:
            self.planted.append((code, oracle.record_key(dataset, row)))

    def spoil(self, code, dataset, row, wrong):
        """Writes the wrong row in place of the row."""
        self.touched[dataset].add(oracle.record_key(dataset, row))
        self.plant(code, dataset, wrong)
        if not self.clean:
            row.update(wrong)

    def insert(self, dataset, row):
        """Adds a row that ought not to be there."""
        self.touched[dataset].add(oracle.record_key(dataset, row))
        if not self.clean:
            self.tables[dataset].append(row)

    def respell(self, student, spells, wrong, school=None):
        """Writes the wrong spells in place of the spells. What follows from them is attendance, at
        the school where one is named."""
        for spell in spells + wrong:
            key = oracle.record_key("enrollment", self.enrollment_row(student, spell))
            self.touched["enrollment"].add(key)
        for dataset in ("attendance_summary", "attendance_event") if school else ():
            self.touched[dataset].add((student["student_uid"], school["id"]))
        if not self.clean:
            spells[:] = wrong

    def plant_spells(self):
        """Mistakes in spells, made before attendance so that attendance follows them."""
        rng, last = self.mistakes, len(self.days) - 1

        def elsewhere(student, spells):
            return self.serving(student["grade_level"], spells[0]["school"]["id"])

        # Some of the school that opens in January were there before, and their dates are wrong.
        late = [(student, spells) for student, spells, _ in self.students
                if spells[0]["school"]["id"] == self.late_school]
        for student, spells in rng.sample(late, self.late_quota(late)):
            wrong = [dict(spells[0])]
            spells[0].update(first=0)
            self.respell(student, spells, wrong, spells[0]["school"])
        if late and not self.clean:
            self.planted.append(("ENR-021", self.late_school))
        for student, spells in self.take(elsewhere):
            second = dict(spells[0], school=rng.choice(elsewhere(student, spells)),
                          first=rng.randrange(10, last - 20), entry_type="TRANSFER")
            self.respell(student, spells, [spells[0], second], second["school"])
            for spell in (spells[0], second):
                self.plant("ENR-011", "enrollment", self.enrollment_row(student, spell))
        for student, spells in self.take(lambda *_: True):
            # The second spell begins on the last day of the first.
            end = rng.randrange(20, last - 20)
            wrong = [dict(spells[0], last=end, exit_type="WITHDRAWN"),
                     dict(spells[0], first=end, entry_type="RE_ENTRY")]
            self.respell(student, spells, wrong)
            for spell in wrong:
                self.plant("ENR-012", "enrollment", self.enrollment_row(student, spell))
        for student, spells in self.take(elsewhere):
            # The second spell begins long before the last day of the first.
            end = rng.randrange(40, last - 20)
            second = dict(spells[0], school=rng.choice(elsewhere(student, spells)), first=end + 1,
                          entry_type="TRANSFER")
            spells[0].update(last=end, exit_type="TRANSFERRED")
            wrong = [spells[0], dict(second, first=end - rng.randrange(8, 25))]
            spells.append(second)
            self.respell(student, spells, wrong, second["school"])
            for spell in wrong:
                self.plant("ENR-013", "enrollment", self.enrollment_row(student, spell))

    def plant_enrollment(self):
        rng = self.mistakes
        rows = {}
        for row in self.tables["enrollment"]:
            rows.setdefault(row["student_uid"], []).append(row)

        def spoil(code, change, suits=lambda *_: True):
            for student, _ in self.take(suits):
                row = rows[student["student_uid"]][0]
                wrong = dict(row)
                change(wrong)
                self.spoil(code, "enrollment", row, wrong)

        def middle(student, _):
            return student["grade_level"] not in ("KG", "12")

        def shift(text, days):
            return (datetime.date.fromisoformat(text) + datetime.timedelta(days=days)).isoformat()

        spoil("ENR-002", lambda r: r.update(birth_date=rng.choice(
            ["", r["entry_date"], shift(r["entry_date"], 40)])), middle)
        spoil("ENR-004", lambda r: r.update(exit_date=shift(r["entry_date"], -rng.randrange(1, 40)),
                                            exit_type="TRANSFERRED"))
        spoil("ENR-005", lambda r: r.update(
            rng.choice([dict(exit_date=self.texts[-1]), dict(exit_type="WITHDRAWN")])))
        spoil("ENR-006", lambda r: r.update(rng.choice(
            [dict(entry_date=shift(r["entry_date"], 365)),
             dict(exit_date=shift(self.texts[-1], 365), exit_type="END_OF_SCHOOL_YEAR")])))
        spoil("ENR-008", lambda r: r.update(birth_date=shift(
            r["birth_date"], -365 * rng.randrange(4, 7))), lambda s, _: s["grade_level"] == "KG")
        spoil("ENR-009", lambda r: r.update({rng.choice(["race", "hispanic_latino"]): ""}))
        spoil("ENR-010", lambda r: r.update(fte=rng.choice(["1.50", "2.00", "-0.25"])))
        spoil("ENR-019", lambda r: r.update(home_language=rng.choice(["spa", "vie"]), el_status=""))
        spoil("ENR-020", lambda r: r.update(unaccompanied_youth="true", homeless="false"))
        spoil("ENR-027", lambda r: r.update(first_name=r["first_name"] + str(rng.randrange(2, 10))))
        for (one, _), (two, _) in self.pairs():
            row, twin = rows[one["student_uid"]][0], rows[two["student_uid"]][0]
            same = {c: row[c] for c in ("first_name", "last_name", "birth_date")}
            self.plant("ENR-016", "enrollment", row)
            self.spoil("ENR-016", "enrollment", twin, dict(twin, **same))
        graduates = [r for r in self.tables["enrollment"] if r["exit_type"] == "GRADUATED"
                     and r["student_uid"] not in self.used]
        for row in rng.sample(graduates, min(self.quota(), len(graduates))):
            self.used.add(row["student_uid"])
            wrong = dict(row, **{rng.choice(["diploma_type", "diploma_date"]): ""})
            self.spoil("ENR-017", "enrollment", row, wrong)

    def pairs(self):
        """Pairs of students of one grade."""
        by_grade = {}
        for student, spells in self.take(lambda *_: True, self.quota() * 6):
            by_grade.setdefault(student["grade_level"], []).append((student, spells))
        return [(group[n], group[n + 1]) for group in by_grade.values()
                for n in range(0, len(group) - 1, 2)]

    def plant_attendance(self):
        rng = self.mistakes
        summary, events = self.tables["attendance_summary"], self.tables["attendance_event"]
        rows, absences = {}, {}
        for row in summary:
            rows.setdefault(row["student_uid"], []).append(row)
        for row in events:
            absences.setdefault(row["student_uid"], []).append(row)

        def absent(row):
            return sum(float(row[f"days_absent_{k}"]) for k in ("excused", "unexcused", "oss"))

        def mark(row):
            row["chronic_absent"] = flag(absent(row) * 10 >= float(row["days_expected"]))

        def move(row, column, days):
            """Moves days from present to another count, so that the sum still holds."""
            row[column] = f"{float(row[column]) + days:.1f}"
            row["days_present"] = f"{float(row['days_present']) - days:.1f}"
            mark(row)

        def spoil(code, change):
            for student, _ in self.take(lambda *_: True):
                row = rng.choice(rows[student["student_uid"]])
                wrong = dict(row)
                change(wrong)
                self.spoil(code, "attendance_summary", row, wrong)

        def broken(row):
            days = rng.choice([0.3, -9.0])
            excused = float(row["days_absent_excused"])
            move(row, "days_absent_excused", days if excused + days < 0 else 0.3)

        spoil("ATT-001", broken)
        spoil("ATT-002", lambda r: r.update(days_present=f"{float(r['days_present']) - 1:.1f}"))
        spoil("ATT-004", lambda r: r.update(rng.choice(
            [dict(days_present=""), dict(exemption_reason="NONPUBLIC")])))
        spoil("ATT-022", lambda r: r.update(
            chronic_absent=flag(r["chronic_absent"] == "false")))

        def never(row):
            for column in ("days_present", "days_present_iss", "days_absent_excused",
                           "days_absent_oss"):
                row[column] = "0.0"
            row.update(days_absent_unexcused=row["days_expected"], chronic_absent="true")

        spoil("ATT-015", never)
        for student, _ in self.take(lambda *_: True):
            row = rng.choice(rows[student["student_uid"]])
            twin = dict(row, calendar_track="X")
            self.insert("attendance_summary", twin)
            self.plant("ATT-005", "attendance_summary", row)
            self.plant("ATT-005", "attendance_summary", twin)
        for student, _ in self.take(lambda *_: True):
            # A number typed wrong: it is no student's, for real ones begin with 1.
            row = dict(rng.choice(rows[student["student_uid"]]),
                       student_uid="9" + student["student_uid"][1:])
            self.insert("attendance_summary", row)
            self.plant("ATT-006", "attendance_summary", row)
        lost = {student["student_uid"] for student, _ in self.take(lambda *_: True)}
        self.touched["attendance_summary"].update(
            oracle.record_key("attendance_summary", r) for r in summary if r["student_uid"] in lost)
        if not self.clean:
            self.tables["attendance_summary"] = [r for r in summary
                                                 if r["student_uid"] not in lost]
        for row in self.tables["enrollment"]:
            if row["student_uid"] in lost:
                self.plant("ATT-008", "enrollment", row)
        self.plant_events(absences)
        if self.silent_school and not self.clean:
            self.planted.append(("ATT-017", self.silent_school))

    def plant_events(self, absences):
        rng = self.mistakes

        def whole_days(student, category=None):
            return [e for e in absences.get(student["student_uid"], ())
                    if e["duration_days"] == "1.00" and category in (None, e["category"])]

        def term(day):
            half = "Fall" if day < self.texts[self.january] else "Spring"
            return f"{self.year - 1}-{self.year} {half} Semester"

        def shift(text, days):
            return (datetime.date.fromisoformat(text) + datetime.timedelta(days=days)).isoformat()

        for student, spells in self.take(lambda *_: True):
            day = shift(self.texts[0], -rng.choice([3, 4, 5, 6, 7]))
            row = dict(student_uid=student["student_uid"], school_id=spells[0]["school"]["id"],
                       event_date=day, category="TARDY", event_type="DAILY", absence_reason="Tardy",
                       duration_days="0.10", session=term(day), school_year=str(self.year))
            self.insert("attendance_event", row)
            self.plant("ATT-009", "attendance_event", row)
        for student, _ in self.take(lambda s, _: whole_days(s, "EXCUSED_ABSENCE")):
            row = rng.choice(whole_days(student, "EXCUSED_ABSENCE"))
            twin = dict(row, category="UNEXCUSED_ABSENCE", absence_reason="Absent without reason")
            self.insert("attendance_event", twin)
            self.plant("ATT-010", "attendance_event", row)
            self.plant("ATT-010", "attendance_event", twin)
        for student, _ in self.take(lambda s, _: whole_days(s), self.quota() * 3):
            row = rng.choice(whole_days(student))
            self.spoil("ATT-024", "attendance_event", row, dict(row, duration_days=""))
        for student, _ in self.take(lambda s, _: whole_days(s)):
            # Past the first week, the Saturday before the day is inside the spell.
            late = [e for e in whole_days(student) if e["event_date"] > self.texts[6]]
            if not late:
                continue
            row = rng.choice(late)
            weekday = datetime.date.fromisoformat(row["event_date"]).weekday()
            day = shift(row["event_date"], -weekday - rng.choice([1, 2]))
            self.spoil("ATT-025", "attendance_event", row, dict(row, event_date=day))
        for student, spells in self.take(lambda *_: True):
            free = set(self.texts) - {e["event_date"] for e in
                                      absences.get(student["student_uid"], ())}
            day = rng.choice(sorted(free))
            self.insert("attendance_event", dict(
                student_uid=student["student_uid"], school_id=spells[0]["school"]["id"],
                event_date=day, category="UNEXCUSED_ABSENCE", event_type="DAILY",
                absence_reason="Absent without reason", duration_days="1.00", session=term(day),
                school_year=str(self.year)))
            for row in self.tables["attendance_summary"]:
                if row["student_uid"] == student["student_uid"]:
                    self.plant("ATT-026", "attendance_summary", row)


def write(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)


def generate(seed, students, schools, year=2026, periods=6, clean=False):
    """A district and what the rules must find in it: (District, {code: set of keys})."""
    district = District(seed, students, schools, year, periods, clean)
    district.build()
    return district, judged(district, oracle.find(district.tables))


def judged(district, truth):
    """What the rules must find, once it is sure that the district is as it was meant to be."""
    for code, key in district.planted:
        if key not in truth[code]:
            raise AssertionError(f"planted {code} at {key} and cannot find it")
    if district.clean and any(truth.values()):
        found = {code: len(keys) for code, keys in truth.items() if keys}
        raise AssertionError(f"the clean district has findings: {found}")
    for dataset, rows in district.tables.items():
        kind = dataset.removeprefix("last_year_")
        keys = {oracle.record_key(kind, row) for row in rows}
        if len(keys) != len(rows):
            raise AssertionError(f"two rows of {dataset} have one record key")
    return truth


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--students", type=int, default=5000)
    parser.add_argument("--schools", type=int, default=8)
    parser.add_argument("--year", type=int, default=2026, help="year in which the school year ends")
    parser.add_argument("--periods", type=int, default=6, help="reporting periods of the year")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--datasets", default=",".join(DATASETS), help="comma-separated")
    parser.add_argument("--clean", action="store_true", help="leave the mistakes out")
    args = parser.parse_args(argv)
    datasets = args.datasets.split(",")
    if not set(datasets) <= set(DATASETS):
        parser.error(f"datasets are {', '.join(DATASETS)}")
    if args.schools < 1 or args.students < 20 * args.schools:
        parser.error("at least one school and 20 students per school are needed")
    if not 1 <= args.periods <= 12:
        parser.error("1 to 12 periods")

    district, truth = generate(args.seed, args.students, args.schools, args.year, args.periods,
                               args.clean)
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / "organization.csv", COLUMNS["organization"], district.organizations)
    for dataset in datasets:
        write(args.out / f"{dataset}.csv", COLUMNS[dataset], district.tables[dataset])
    document = {
        "seed": args.seed, "school_year": args.year, "clean": args.clean,
        "district": district.district,
        "records": {dataset: len(district.tables[dataset]) for dataset in datasets},
        "rules": {code: sorted(keys) for code, keys in truth.items()
                  if set(oracle.reads(code)) <= set(datasets)},
    }
    with open(args.out / "truth.json", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    for dataset in datasets:
        print(f"{dataset}: {len(district.tables[dataset])} rows")
    print(f"findings: {sum(len(keys) for keys in document['rules'].values())}")


if __name__ == "__main__":
    main(sys.argv[1:])
