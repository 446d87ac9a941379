#!/usr/bin/env python3
"""Makes a state: districts of skewed size, all their records, and mistakes whose places are known.

  state.py --seed 1 --attendance 1000000 --out DIR [--districts N] [--jobs N]

writes DIR/<district>/ for each district, with organization.csv, one file per dataset that a district
pushes, and truth.json, as generate.py does; last_year/ has what the district certified a year ago, if
it did. DIR/state.json lists the districts, the largest first, and DIR/code.csv has the codes of the
state. The same arguments give the same bytes. Nobody in it exists.

A district is one of generate.py with more: the school calendar, behavior, special education and
Section 504, columns of enrollment that other systems leave out, and mistakes that the remaining rules
find. truth.json says for every rule of rules/ which records of the district it must find: what was
planted and what follows from it. One code was withdrawn when the year began: the records that have it
later are from before the state said so, for a push refuses them since.

--attendance is the number of attendance summaries in the state, six to a student. The k-th largest
district has 1/k^0.7 of the students of the largest: of 1,000 districts the first has 4 in 100. A
process makes one district at a time and holds no more than that.
"""

import argparse
import datetime
import json
import multiprocessing
import os
import pathlib
import random
import re
import sys

import generate
import last_year
import oracle
import state_oracle
from generate import GRADES, SPANS, flag, pick

COLUMNS = dict(
    generate.COLUMNS,
    organization=generate.COLUMNS["organization"] + "open_date close_date grades_offered".split(),
    enrollment=generate.COLUMNS["enrollment"] + """nighttime_residence migrant
        migrant_program_start birth_country first_us_enrollment_date military_connected""".split(),
    attendance_summary=generate.COLUMNS["attendance_summary"] +
    "days_eligible_present days_ineligible_present".split(),
    calendar_day="""school_id calendar_track calendar_date school_year instructional event
        reporting_period""".split(),
    behavior_incident="""school_year incident_id school_id incident_date incident_time location
        behaviors primary_behavior reporter weapons firearm_type""".split(),
    behavior_involvement="""school_year incident_id student_uid school_id participation person_type
        injury law_enforcement_referral school_arrest""".split(),
    behavior_action="""school_year incident_id student_uid action_id school_id school_of_incident
        action action_reason action_start action_end official_length actual_length
        length_difference_reason services_after_removal idea_removal_type idea_interim_reason
        manifestation_determination_date iep_at_action seclusion_restraint""".split(),
    special_education="""student_uid program program_start school_year school_id responsible_lea
        birth_date grade_level program_exit exit_reason referral_date consent_date evaluation_date
        eligibility_date eligibility_delay_reason next_reeval_due primary_disability
        secondary_disabilities iep_start iep_end environment_school_age environment_early_childhood
        minutes_special_ed minutes_total_week services minutes_services transition_plan_date
        assessment_participation s504_start s504_disability plan_review_date accommodations
        locked""".split(),
)
CODE_COLUMNS = "code_list code effective_to".split()
WITHDRAWN = ("military_connected", "NATIONAL_GUARD_OR_RESERVE")
# What a district pushes; the organisations are the state's.
DATASETS = tuple(name for name in COLUMNS if name != "organization")

SMALLEST = 60  # students of a district
PERIODS = 6
SKEW = 0.7

BEHAVIORS = [("INSUBORDINATION", 25), ("DISORDERLY_CONDUCT", 20), ("FIGHTING", 15), ("BULLYING", 12),
             ("THEFT", 8), ("VANDALISM", 6), ("TOBACCO", 6), ("THREAT", 5), ("WEAPONS_POSSESSION", 3)]
LOCATIONS = ["CLASSROOM", "HALLWAY_OR_STAIRS", "CAFETERIA_AREA", "SCHOOL_BUS", "RESTROOM"]
DISABILITIES = [("SLD", 35), ("SLI", 19), ("OHI", 15), ("AUT", 12), ("ID", 6), ("EMN", 5), ("MD", 2),
                ("HI", 1)]
COUNTRIES = [("USA", 92), ("PRI", 2), ("MEX", 3), ("GTM", 1), ("VNM", 1), ("SOM", 1)]
S504_DISABILITIES = ["ADHD", "DYSLEXIA", "ANXIETY", "ASTHMA", "DIABETES", "EPILEPSY"]


def shift(text, days):
    return (datetime.date.fromisoformat(text) + datetime.timedelta(days=days)).isoformat()


def with_check_digit(body):
    """A number of the state's register: nine digits and the one that they give."""
    total = sum(int("0246813579"[int(c)]) for c in body[0::2]) + sum(int(c) for c in body[1::2])
    return int(body + str(-total % 10))


def codes(year):
    """The code lists that ship; the last day of one code is the first of the school year."""
    path = pathlib.Path(__file__).resolve().parents[2] / "services/dataset/definitions/codes.textproto"
    rows, code_list = [], ""
    for field, value in re.findall(r'\b(id|code): "([^"]+)"', path.read_text(encoding="utf-8")):
        if field == "id":
            code_list = value
            continue
        withdrawn = (code_list, value) == WITHDRAWN
        rows.append(dict(code_list=code_list, code=value, effective_to=generate.school_days(
            year)[0].isoformat() if withdrawn else ""))
    return rows


def row_of(dataset, **values):
    row = dict.fromkeys(COLUMNS[dataset], "")
    row.update(values)
    return row


class StateDistrict(generate.District):
    """The district of that place among those of a state; the numbers of its students are its own."""

    datasets = DATASETS + ("organization",)

    def __init__(self, seed, place, students, schools, year, first_number, clean=False):
        self.place, self.first_number = place, first_number
        self.incidents = 0
        self.inside = []  # (rule, record key) pairs that the rule must not find, though nearly
        super().__init__(f"{seed}/{place}", students, schools, year, PERIODS, clean)
        self.choose_schools()

    def district_id(self):
        return f"{110 + self.place // 29}9{1 + self.place % 29:02}"

    def student_numbers(self):
        bodies = range(10**8 + self.first_number, 10**8 + self.first_number + 4 * self.count)
        return [with_check_digit(str(body)) for body in self.rng.sample(bodies, self.count)]

    def may_suspend(self, grade):
        return grade not in ("KG", "01", "02")

    def build(self):
        super().build()
        then = last_year.LastYear(self)
        self.tables.update({f"last_year_{name}": rows for name, rows in then.tables.items()})
        self.tables["code"] = codes(self.year)
        self.planted += then.planted
        self.inside += then.inside

    # ---- The district as it should be ----

    def choose_schools(self):
        """Where the mistakes of a whole school go; in small districts there is no school for some.
        Nobody in them carries a mistake of his own."""
        there, day = {}, f"{self.year - 1}-10-01"
        for _, spells, _ in self.students:
            spell = spells[0]
            if spell["first"] == 0 and (spell["last"] is None or self.texts[spell["last"]] >= day):
                school = spell["school"]["id"]
                there[school] = there.get(school, 0) + 1
        self.stopped_school = self.schools[-3]["id"] if len(self.schools) >= 5 else None
        left = sorted((s["id"] for s in self.schools[1:] if s["id"] not in (
            self.late_school, self.silent_school, self.stopped_school)),
            key=lambda school: -there.get(school, 0))
        large = [school for school in left if there.get(school, 0) > 330]
        self.quiet_school = large[0] if large else None
        left = [s for s in left if s != self.quiet_school and there.get(s, 0) > 130]
        self.unserved_school = left[0] if left else None

    def late_quota(self, late):
        return len(late)  # Of so few that any absence would be many, if only some were there.

    def plain(self, spells):
        return super().plain(spells) and spells[0]["school"]["id"] not in (
            self.stopped_school, self.quiet_school)

    def person(self, rng, number):
        student = super().person(rng, number)
        country = pick(rng, COUNTRIES)
        migrant = rng.random() < 0.01
        start = f"{self.year - 1}-08-{rng.randrange(1, 28):02}"
        student.update(
            nighttime_residence=rng.choice(["SHELTERED", "DOUBLED_UP", "HOTEL_MOTEL"])
            if student["homeless"] == "true" else "",
            migrant=flag(migrant), migrant_program_start=start if migrant else "",
            birth_country=country, first_us_enrollment_date=""
            if country in state_oracle.TERRITORIES else f"{self.year - 1}-08-20",
            military_connected=pick(rng, [("NOT_MILITARY_CONNECTED", 96), ("ACTIVE_DUTY", 4)]))
        return student

    def spells(self, rng, student):
        spells = super().spells(rng, student)
        # Who leaves in these grades goes to another school, as far as anybody knows.
        for spell in spells:
            if spell["exit_type"] == "WITHDRAWN" and student["grade_level"] in GRADES[7:12]:
                spell["exit_type"] = "TRANSFERRED"
        return spells

    def make_records(self):
        super().make_records()
        self.make_organizations()
        self.make_calendar()
        self.make_special_education()
        self.make_behavior()
        if not self.clean and self.stopped_school:
            events = self.tables["attendance_event"]
            last = self.texts[-16]
            self.tables["attendance_event"] = [
                e for e in events
                if e["school_id"] != self.stopped_school or e["event_date"] <= last]
            self.planted.append(("ATT-023", self.stopped_school))

    def make_organizations(self):
        rng = random.Random(f"{self.seed}/organizations")
        attended = {spell["school"]["id"] for _, spells, _ in self.students for spell in spells}
        kinds = {s["id"]: s["kind"] for s in self.schools}
        if self.place % 29 != 0:
            del self.organizations[0]  # Another district of the region has it.
        # Open, and nobody ever came.
        empty = f"{self.district}990"
        self.organizations.append(dict(organization_id=empty, kind="School",
                                       name="Prospect Hill School", parent_id=self.district))
        closed = f"{self.year - 1}-06-30"
        for row in self.organizations:
            ident = row["organization_id"]
            row.update(open_date="", close_date="", grades_offered="")
            if row["kind"] != "School":
                continue
            row.update(open_date=f"{rng.randrange(1925, 2015)}-08-01",
                       grades_offered=";".join(SPANS[kinds.get(ident, "School")]))
            if ident == self.schools[0]["id"]:
                row["open_date"] = self.texts[0]
            if ident == empty:
                row["close_date"] = closed if self.clean else ""
            elif ident not in attended:
                row["close_date"] = closed
        for row in self.organizations:
            kind = {"School": "SCHOOL", "LocalEducationAgency": "DISTRICT"}.get(row["kind"])
            if kind:
                self.tables["organization"].append(dict(
                    organization_id=row["organization_id"], kind=kind, parent_id=row["parent_id"],
                    display_name=row["name"], open_date=row["open_date"],
                    close_date=row["close_date"], grades_offered=row["grades_offered"]))
        if not self.clean:
            self.planted += [("ATT-019", empty), ("ENR-021B", empty)]

    def make_calendar(self):
        days, day = [], self.days[0]
        place = {text: n for n, text in enumerate(self.texts)}
        while day <= self.days[-1]:
            if day.weekday() < 5:
                days.append(day.isoformat())
            day += datetime.timedelta(days=1)
        self.holidays = [day for day in days if day not in place]
        for school in self.schools:
            for day in days:
                taught = day in place
                self.tables["calendar_day"].append(dict(
                    school_id=school["id"], calendar_track=school["track"], calendar_date=day,
                    school_year=str(self.year), instructional=flag(taught),
                    event="INSTRUCTIONAL_DAY" if taught else "HOLIDAY",
                    reporting_period=str(self.period_of[place[day]]) if taught else ""))

    def make_special_education(self):
        rng = random.Random(f"{self.seed}/special")
        day, pools = f"{self.year - 1}-10-01", {}
        for student, spells, _ in self.students:
            spell = spells[0]
            if spell["first"] == 0 and (spell["last"] is None or self.texts[spell["last"]] >= day):
                pools.setdefault(spell["school"]["id"], []).append((student, spells))
        self.programs = {}
        for school in self.schools:
            pool = pools.get(school["id"], [])
            rng.shuffle(pool)
            special = len(pool) * 9 // 100 + (10 <= len(pool) < 100)
            plans = len(pool) * 4 // 100 + (20 <= len(pool) < 100)
            for n, (student, spells) in enumerate(pool[:special + plans]):
                program = "IDEA_B" if n < special else "S504"
                row = self.program(rng, student, spells, program)
                if program == "IDEA_B" and school["id"] == self.unserved_school and not self.clean:
                    continue
                self.tables["special_education"].append(row)
                self.programs[student["student_uid"]] = row
        if not self.clean and self.unserved_school:
            self.planted.append(("SPE-020", self.unserved_school))

    def program(self, rng, student, spells, program):
        start = shift(f"{self.year - 1}-08-01", -rng.randrange(30, 700))
        row = row_of(
            "special_education", student_uid=student["student_uid"], program=program,
            program_start=start, school_year=str(self.year), school_id=spells[0]["school"]["id"],
            responsible_lea=self.district, birth_date=student["birth_date"],
            grade_level=student["grade_level"], referral_date=shift(start, -70),
            consent_date=shift(start, -60), evaluation_date=shift(start, -20),
            eligibility_date=shift(start, -rng.randrange(5, 20)), locked="true",
            assessment_participation=pick(rng, [("ACCOMMODATIONS", 70), ("REGULAR", 30)]))
        age = state_oracle.age_on_count_date(row)
        begin = f"{self.year - 1}-09-{rng.randrange(1, 20):02}"
        if program == "S504":
            row.update(s504_start=start, s504_disability=rng.choice(S504_DISABILITIES),
                       plan_review_date=begin, accommodations="EXTENDED_TIME;PREFERENTIAL_SEATING")
        else:
            minutes = rng.randrange(60, 1700)
            share = (1800 - minutes) / 1800
            disability = "DD" if age <= 8 and rng.random() < 0.3 else pick(rng, DISABILITIES)
            services = {"SPECIALIZED_INSTRUCTION", rng.choice(["COUNSELING", "TRANSPORTATION"])}
            if disability == "SLI":
                services.add("SPEECH_LANGUAGE_AND_AUDIOLOGY")
            row.update(
                next_reeval_due=shift(state_oracle.plus_years(row["evaluation_date"], 3), -1),
                primary_disability=disability, iep_start=begin,
                iep_end=shift(state_oracle.plus_years(begin, 1), -1),
                minutes_special_ed=str(minutes), minutes_total_week="1800",
                environment_school_age="RC80" if share >= 0.8 else
                "RC79TO40" if share >= 0.4 else "RC39", services=";".join(sorted(services)),
                minutes_services=str(minutes), transition_plan_date=begin if age >= 15 else "")
        last = spells[-1]
        if last["exit_type"]:
            row.update(program_exit=self.texts[last["last"]],
                       exit_reason={"GRADUATED": "GHS", "DROPOUT": "DROPOUT"}.get(
                           last["exit_type"], "MKC"))
        return row

    # ---- Behavior ----

    def make_behavior(self):
        """What attendance says about suspensions, and incidents that ended without one."""
        rng = random.Random(f"{self.seed}/behavior")
        homes = {s["student_uid"]: spells for s, spells, _ in self.students}
        days, inside = {}, []
        for event in self.tables["attendance_event"]:
            if event["absence_reason"] == "Suspension":
                who = (event["student_uid"], event["school_id"])
                days.setdefault(who, {})[event["event_date"]] = "OSS"
        for row in self.tables["attendance_summary"]:
            if float(row["days_present_iss"] or 0) > 0:
                inside.append((row["student_uid"], row["school_id"], int(row["reporting_period"])))
        for student, school, period in inside:
            taken = days.setdefault((student, school), {})
            there = [self.texts[n] for spell in homes[student] if spell["school"]["id"] == school
                     for n in range(spell["first"], len(self.texts) if spell["last"] is None
                                    else spell["last"] + 1) if self.period_of[n] == period]
            free = [day for day in there if day not in taken]
            if free:
                taken[rng.choice(free)] = "ISS"
        self.suspended = {student for student, _ in days}
        for (student, school), measures in days.items():
            for day, action in sorted(measures.items()):
                self.keep(self.case(rng, student, school, day, action))
        self.calm = []
        people = {}
        for student, spells, _ in self.students:
            spell = spells[0]
            people.setdefault(spell["school"]["id"], []).append((student, spell))
        for school in self.schools:
            pool = people.get(school["id"], [])
            for _ in range(2 + len(pool) // 40 if pool else 0):
                student, spell = rng.choice(pool)
                end = len(self.texts) if spell["last"] is None else spell["last"] + 1
                day = self.texts[rng.randrange(spell["first"], end)]
                action = rng.choice(["NO_ACTION", "COMMUNITY_SERVICE", "REMOVAL_FROM_CLASSROOM"])
                case = self.case(rng, student["student_uid"], school["id"], day, action)
                victim = rng.choice(pool)[0]["student_uid"]
                if rng.random() < 0.5 and victim != student["student_uid"]:
                    case.append(("behavior_involvement", dict(
                        case[1][1], student_uid=victim, participation="VICTIM", injury="MINOR")))
                self.keep(case)
                if school["id"] != self.quiet_school:
                    self.calm.append(case)
        self.mistakes.shuffle(self.calm)
        if not self.clean and self.quiet_school:
            self.planted.append(("DIS-020", self.quiet_school))

    def keep(self, case):
        for dataset, row in case:
            if self.clean or row["school_id"] != self.quiet_school:
                self.tables[dataset].append(row)

    def case(self, rng, student, school, day, action, **changes):
        """An incident, who did it and what was done about it; `changes` are of the action."""
        self.incidents += 1
        ident, year = f"{self.district}-{self.incidents:06}", str(self.year)
        behavior = pick(rng, BEHAVIORS)
        removal = action in ("ISS", "OSS")
        program = self.programs.get(student)
        active = program is not None and state_oracle.within(
            day, program["program_start"], program["program_exit"])
        iep = active and program["program"] == "IDEA_B"
        values = dict(
            action=action, action_reason=behavior, action_start=day, action_end=day,
            official_length="1.0" if removal else "", actual_length="1.0" if removal else "",
            length_difference_reason="NO_DIFFERENCE" if removal else "", iep_at_action=flag(iep),
            services_after_removal=flag(iep and action == "OSS"), seclusion_restraint="NONE",
            idea_removal_type="" if not (iep and removal) else
            "OUTOFSCHOOL" if action == "OSS" else "INSCHOOL",
            manifestation_determination_date=day if active and action == "OSS" else "")
        values.update(changes)
        return [
            ("behavior_incident", row_of(
                "behavior_incident", school_year=year, incident_id=ident, school_id=school,
                incident_date=day, incident_time=f"{rng.randrange(8, 15):02}:{rng.randrange(60):02}",
                location=rng.choice(LOCATIONS), behaviors=behavior, primary_behavior=behavior,
                reporter="STAFF", weapons="KNIFE" if behavior == "WEAPONS_POSSESSION" else "")),
            ("behavior_involvement", row_of(
                "behavior_involvement", school_year=year, incident_id=ident, student_uid=student,
                school_id=school, participation="PERPETRATOR", person_type="STUDENT", injury="NONE",
                law_enforcement_referral="false", school_arrest="false")),
            ("behavior_action", row_of(
                "behavior_action", school_year=year, incident_id=ident, student_uid=student,
                action_id="1", school_id=school, school_of_incident=school, **values)),
        ]

    # ---- Mistakes ----

    def plant_records(self):
        super().plant_records()
        if not self.clean and self.late_school and any(
                r["school_id"] == self.late_school for r in self.tables["enrollment"]):
            self.planted.append(("ENR-021B", self.late_school))
        self.plant_more_enrollment()
        self.plant_more_attendance()
        self.plant_special_education()
        self.plant_behavior()
        self.plant_crowd()
        self.plant_behaviors_of_district()
        self.plant_funding()
        self.plant_numbers()
        self.plant_codes()
        self.plant_dropouts()

    def wrong(self, code, dataset, row, **changes):
        self.spoil(code, dataset, row, dict(row, **changes))

    def students_with(self, suits):
        """Students with a special trait and without a mistake so far."""
        pool = [(s, spells) for s, spells, luck in self.students
                if luck >= 0.004 and s["student_uid"] not in self.used and suits(s, spells)
                and not {spell["school"]["id"] for spell in spells} & {
                    self.late_school, self.silent_school, self.stopped_school, self.quiet_school}]
        chosen = self.mistakes.sample(pool, min(self.quota(), len(pool)))
        self.used.update(s["student_uid"] for s, _ in chosen)
        return chosen

    def plant_more_enrollment(self):
        rng = self.mistakes
        rows = {}
        for row in self.tables["enrollment"]:
            rows.setdefault(row["student_uid"], []).append(row)

        def spoil(code, change, chosen):
            for student, _ in chosen:
                row = rows[student["student_uid"]][-1]
                self.wrong(code, "enrollment", row, **change(row))

        first = self.schools[0]["id"]
        spoil("ENR-003", lambda _: dict(entry_date=f"{self.year - 1}-06-{rng.randrange(8, 29):02}"),
              self.take(lambda _, spells: spells[0]["school"]["id"] != first))
        spoil("ENR-007", lambda _: dict(grade_level="13"), self.take(lambda *_: True))
        spoil("ENR-015", lambda row: dict(entry_date=shift(row["entry_date"],
                                                           -rng.randrange(3, 20))),
              self.take(lambda _, spells: spells[0]["school"]["id"] == first))
        for student, _ in self.students_with(lambda _, spells: len(spells) == 2):
            if not self.clean:
                rows[student["student_uid"]][1]["birth_date"] = shift(student["birth_date"],
                                                                      rng.randrange(1, 4))
                self.planted.append(("ENR-016B", student["student_uid"]))
        spoil("ENR-018", lambda _: dict(exit_type="WITHDRAWN"), self.students_with(
            lambda s, spells: len(spells) == 1 and spells[0]["exit_type"] == "TRANSFERRED"
            and s["grade_level"] in GRADES[7:12]))
        spoil("ENR-019B", lambda _: dict(birth_country="MEX", first_us_enrollment_date=""),
              self.take(lambda *_: True))
        spoil("ENR-020B", lambda _: rng.choice(
            [dict(homeless="true", nighttime_residence=""),
             dict(migrant="true", migrant_program_start="")]), self.take(lambda *_: True))

    def moved(self, row, column, days=1):
        """The summary with days that were of another kind, so that the sum still holds."""
        row = dict(row)
        row[column] = f"{float(row[column]) + days:.1f}"
        row["days_present"] = f"{float(row['days_present']) - days:.1f}"
        absent = sum(float(row[f"days_absent_{k}"]) for k in ("excused", "unexcused", "oss"))
        row["chronic_absent"] = flag(absent * 10 >= float(row["days_expected"]))
        return row

    def plant_more_attendance(self):
        rng = self.mistakes
        rows = {}
        for row in self.tables["attendance_summary"]:
            rows.setdefault(row["student_uid"], []).append(row)

        def summaries(suits=lambda *_: True):
            return [rng.choice(rows[s["student_uid"]]) for s, _ in self.take(suits)]

        def calm(student, _):
            return student["student_uid"] not in self.suspended

        for code, column, suits in (("ATT-003", "days_expected", 2), ("ATT-007", "days_expected", -3)):
            for row in summaries():
                self.spoil(code, "attendance_summary", row, dict(
                    row, **{name: f"{float(row[name]) + suits:.1f}"
                            for name in (column, "days_present")}))
        for code, column in (("ATT-012", "days_absent_oss"), ("ATT-014", "days_present_iss")):
            for row in summaries(calm):
                self.spoil(code, "attendance_summary", row, self.moved(row, column))
        for student, _ in self.students_with(lambda _, spells: len(spells) == 1 and
                                             self.period_of[spells[0]["first"]] >= 2):
            row = dict(rows[student["student_uid"]][-1], reporting_period="1")
            self.insert("attendance_summary", row)
            self.plant("ATT-006B", "attendance_summary", row)
        for student, spells in self.take(lambda *_: True):
            row = self.event_of(student, spells, rng.choice(self.holidays), "TARDY", "Tardy", "0.10")
            self.insert("attendance_event", row)
            self.plant("ATT-009B", "attendance_event", row)
        # Ten days in a row; what else there was on these days makes place.
        gone, stretches = set(), []
        for student, spells in self.take(lambda *_: True):
            begin = rng.randrange(10, len(self.texts) - 30)
            days = self.texts[begin:begin + 10]
            gone.update((student["student_uid"], day) for day in days)
            stretches.append((student, spells, days))
        if not self.clean:
            self.tables["attendance_event"] = [
                e for e in self.tables["attendance_event"]
                if (e["student_uid"], e["event_date"]) not in gone]
        enrollment = {r["student_uid"]: r for r in self.tables["enrollment"]}
        for student, spells, days in stretches:
            for day in days:
                self.insert("attendance_event", self.event_of(
                    student, spells, day, "UNEXCUSED_ABSENCE", "Absent without reason", "1.00"))
            self.plant("ATT-016", "enrollment", enrollment[student["student_uid"]])

    def event_of(self, student, spells, day, category, reason, duration):
        term = "Fall" if day < self.texts[self.january] else "Spring"
        return dict(student_uid=student["student_uid"], school_id=spells[0]["school"]["id"],
                    event_date=day, category=category, event_type="DAILY", absence_reason=reason,
                    duration_days=duration, session=f"{self.year - 1}-{self.year} {term} Semester",
                    school_year=str(self.year))

    def plant_crowd(self):
        """A day on which many were away from one school, as the summaries say too."""
        schools = {}
        for student, spells, luck in self.students:
            if self.plain(spells) and luck >= 0.004:
                schools.setdefault(spells[0]["school"]["id"], []).append((student, spells))
        if not schools:
            return
        school = min(schools, key=lambda ident: len(schools[ident]))
        day = self.mistakes.choice(self.texts[40:120])
        enrolled = sum(r["school_id"] == school and r["entry_date"] <= day
                       for r in self.tables["enrollment"])
        busy = self.used | {e["student_uid"] for e in self.tables["attendance_event"]
                            if e["event_date"] == day}
        free = [(s, spells) for s, spells in schools[school] if s["student_uid"] not in busy]
        if len(free) * 10 <= enrolled * 4:
            return
        period = str(self.period_of[self.texts.index(day)])
        rows = {r["student_uid"]: r for r in self.tables["attendance_summary"]
                if r["school_id"] == school and r["reporting_period"] == period}
        for student, spells in free:
            row = rows[student["student_uid"]]
            if float(row["days_present"]) < 1:
                continue
            self.insert("attendance_event", self.event_of(student, spells, day, "EXCUSED_ABSENCE",
                                                          "Illness", "1.00"))
            if not self.clean:
                row.update(self.moved(row, "days_absent_excused"))
        track = next(s["track"] for s in self.schools if s["id"] == school)
        self.plant("ATT-021", "calendar_day", dict(school_id=school, calendar_track=track,
                                                   calendar_date=day))

    def plant_funding(self):
        """Days that count for funding are those present, but for some mistakes."""
        summary = self.tables["attendance_summary"]
        for row in summary:
            known = [float(row[c]) for c in ("days_present", "days_present_iss") if row[c]]
            row.update(days_eligible_present=f"{sum(known):.1f}" if known else "",
                       days_ineligible_present="0.0" if known else "")
        places = [r for r in summary if r["days_eligible_present"]]
        few = 1 + len(self.schools) // 4
        chosen = self.mistakes.sample(places, min(2 * few, len(places)))
        for row in chosen[:few] if not self.clean else ():
            row["days_ineligible_present"] = "2.0"
            self.planted.append(("ATT-020", "|".join(
                row[c] for c in ("school_id", "school_year", "reporting_period"))))
        for row in chosen[few:]:
            # What is too little here is too much there, so that the sum holds.
            days = self.mistakes.choice([1, 0.3])
            self.wrong("ATT-001B", "attendance_summary", row, days_ineligible_present=f"{-days:.1f}",
                       days_eligible_present=f"{float(row['days_eligible_present']) + days:.1f}")

    def plant_numbers(self):
        """Numbers with two digits exchanged, in every record of the student."""
        exchanged = {}
        involved = {row["student_uid"] for row in self.tables["behavior_involvement"]}
        for student, _ in self.take(lambda s, _: s["student_uid"] not in involved):
            number = student["student_uid"]
            at = next((n for n in range(2, 9) if {number[n], number[n + 1]} not in (
                {number[n]}, {"0", "9"})), None)
            if at is not None:
                exchanged[number] = number[:at] + number[at + 1] + number[at] + number[at + 2:]
        if self.clean:
            return
        for rows in self.tables.values():
            for row in rows:
                if row.get("student_uid") in exchanged:
                    row["student_uid"] = exchanged[row["student_uid"]]
        for row in self.tables["enrollment"]:
            if row["student_uid"] in exchanged.values():
                self.plant("ENR-001", "enrollment", row)

    def plant_codes(self):
        """A code that was withdrawn: it counts for who entered on its last day."""
        column, code = WITHDRAWN
        rows = {row["student_uid"]: row for row in self.tables["enrollment"]}
        for student, _ in self.students_with(lambda _, spells: len(spells) == 1 and
                                             spells[0]["first"] > 0):
            row = rows[student["student_uid"]]
            self.wrong("ENR-026", "enrollment", row, **{column: code})
        for student, _ in self.take(lambda *_: True):
            row = rows[student["student_uid"]]
            if not self.clean:
                row[column] = code
                self.inside.append(("ENR-026", oracle.record_key("enrollment", row)))

    def plant_dropouts(self):
        """A large school says of who dropped out that he went elsewhere; see last_year.py."""
        high = [r for r in self.tables["enrollment"]
                if r["grade_level"] in state_oracle.HIGH_SCHOOL]
        size = state_oracle.students(high, "school_id")
        graduated = {r["school_id"] for r in high if r["exit_type"] == "GRADUATED"}
        school = min((s for (s,), count in size.items() if count >= 100 and s in graduated),
                     default=None)
        if self.clean or school is None:
            return
        for row in high:
            if row["school_id"] == school and row["exit_type"] == "DROPOUT":
                row["exit_type"] = "TRANSFERRED"
                if row["student_uid"] in self.programs:
                    self.programs[row["student_uid"]]["exit_reason"] = "MKC"

    def take_programs(self, program, suits=lambda *_: True):
        """Programs that go on all year, of people without a mistake so far and never suspended."""
        homes = {s["student_uid"]: spells for s, spells, _ in self.students}
        rows = [r for r in self.tables["special_education"] if r["program"] == program]
        spoilt = self.used | self.suspended
        pool = [r for r in rows if r["student_uid"] not in spoilt and not r["program_exit"]
                and self.plain(homes.get(r["student_uid"], ())) and suits(r)]
        chosen = self.mistakes.sample(pool, min(self.quota(), 1 + len(rows) // 120, len(pool)))
        self.used.update(r["student_uid"] for r in chosen)
        return chosen

    def plant_special_education(self):
        rng, day = self.mistakes, f"{self.year - 1}-10-01"
        end = self.texts[-1]

        def spoil(code, change, program="IDEA_B", suits=lambda *_: True):
            for row in self.take_programs(program, suits):
                self.wrong(code, "special_education", row, **change(row))

        def add(code, change, program="IDEA_B", both=False):
            for row in self.take_programs(program):
                wrong = dict(row, **change(row))
                self.insert("special_education", wrong)
                self.plant(code, "special_education", wrong)
                if both:
                    self.plant(code, "special_education", row)

        def stranger(row):
            return dict(student_uid="9" + row["student_uid"][1:])

        spoil("SPE-001", lambda _: dict(primary_disability=""))
        spoil("SPE-002", lambda row: dict(birth_date=shift(row["program_start"], 10)))
        spoil("SPE-003", lambda _: dict(program_exit=end))
        spoil("SPE-004", lambda _: dict(program_exit=end, exit_reason="PLAN_COMPLETED"))
        spoil("SPE-005", lambda row: rng.choice(
            [dict(iep_end=shift(row["iep_end"], 40)), dict(iep_end=shift(day, -1))]))
        spoil("SPE-006", lambda _: rng.choice(
            [dict(next_reeval_due=shift(day, -5)), dict(evaluation_date=f"{self.year - 5}-03-01")]))
        spoil("SPE-007", lambda row: dict(consent_date=shift(row["eligibility_date"], -90)))
        # Never the other way, which other mistakes could make even in the sum of SPE-023.
        spoil("SPE-008", lambda _: dict(environment_early_childhood="SC"))
        spoil("SPE-009", lambda row: dict(environment_school_age="RC39" if
                                          row["environment_school_age"] != "RC39" else "RC80"))
        spoil("SPE-010", lambda _: dict(primary_disability="DD"),
              suits=lambda row: state_oracle.age_on_count_date(row) > 9)
        spoil("SPE-011", lambda _: dict(birth_date=f"{self.year - 26}-03-04"))
        add("SPE-012", stranger)
        add("SPE-013", lambda row: dict(program_start=shift(row["program_start"], 20)), both=True)
        spoil("SPE-017", lambda _: dict(program_exit=end, exit_reason="GHS"))
        spoil("SPE-018", lambda _: rng.choice([dict(services=""), dict(minutes_services="0")]))
        spoil("SPE-019", lambda _: dict(transition_plan_date=""),
              suits=lambda row: state_oracle.age_on_count_date(row) >= 16)
        if not self.clean and any(c == "SPE-008" for c, _ in self.planted):
            self.planted.append(("SPE-023", str(self.year)))
        plan = dict(program="S504", primary_disability="", plan_review_date=shift(day, -10),
                    accommodations="BREAKS", environment_school_age="", services="")
        add("S504-001", lambda row: dict(plan, s504_start=row["program_start"]))
        spoil("S504-002", lambda _: dict(plan_review_date=f"{self.year - 3}-09-10"), "S504")
        spoil("S504-003", lambda _: dict(accommodations=""), "S504")
        add("S504-005", stranger, "S504")
        for row in self.take_programs("S504"):
            self.plant("S504-006", "special_education", row)
            self.add_case(row["student_uid"], row["school_id"], "OSS", official_length="11.0",
                          actual_length="11.0", manifestation_determination_date="")

    def add_case(self, student, school, action, day=None, **changes):
        """A case that is wrong in one respect; its rows."""
        case = self.case(self.mistakes, student, school,
                         day or self.mistakes.choice(self.texts[30:-30]), action, **changes)
        for dataset, row in case:
            self.insert(dataset, row)
        return [row for _, row in case]

    def plant_behavior(self):
        rng = self.mistakes

        def cases(action, **changes):
            for student, spells in self.take(lambda s, _: s["student_uid"] not in self.suspended):
                yield self.add_case(student["student_uid"], spells[0]["school"]["id"], action,
                                    **changes)

        def spoil(code, change, action="ISS"):
            for _, _, row in cases(action):
                self.wrong(code, "behavior_action", row, **change(row))

        def by_incident(row):
            return "|".join(row[c] for c in ("school_year", "incident_id", "student_uid"))

        def add(code, change, plant_both=False, action="ISS"):
            for _, _, row in cases(action):
                other = dict(row, action_id="2", **change(row))
                self.insert("behavior_action", other)
                if plant_both:
                    self.plant(code, "behavior_action", row)
                    self.plant(code, "behavior_action", other)
                elif not self.clean:
                    self.planted.append((code, by_incident(row)))

        def next_day(row, days=1):
            return self.texts[self.texts.index(row["action_start"]) + days]

        add("DIS-002", lambda _: {}, plant_both=True)
        spoil("DIS-006", lambda row: dict(action_end=next_day(row, -2)))
        for incident, _, row in cases("ISS"):
            # Its key does not change.
            self.plant("DIS-006B", "behavior_action", row)
            if not self.clean:
                incident["incident_date"] = next_day(row)
        for _, _, row in cases("ISS"):
            weekday = datetime.date.fromisoformat(row["action_start"]).weekday()
            self.wrong("DIS-006C", "behavior_action", row,
                       action_end=shift(row["action_start"], 5 - weekday))
        spoil("DIS-007", lambda _: dict(official_length=""))
        spoil("DIS-008", lambda _: dict(actual_length="2.0"))
        add("DIS-009", lambda _: dict(action="NO_ACTION", official_length="", actual_length="",
                                      length_difference_reason=""))
        for _, _, row in cases("ISS"):
            _, _, other = self.add_case(row["student_uid"], row["school_id"], "ISS",
                                        row["action_start"])
            self.plant("DIS-011", "behavior_action", row)
            self.plant("DIS-011", "behavior_action", other)
        away = {(e["student_uid"], e["event_date"]) for e in self.tables["attendance_event"]
                if e["category"] in oracle.ABSENCES}
        for _, _, row in cases("OSS", official_length="12.0", actual_length="12.0"):
            if (row["student_uid"], row["action_start"]) not in away:
                self.plant("ATT-013", "behavior_action", row)
            if not self.clean:
                self.planted.append(("DIS-012", by_incident(row)))
        for student, spells in self.take(lambda s, _: s["grade_level"] in ("KG", "01", "02")):
            _, _, row = self.add_case(student["student_uid"], spells[0]["school"]["id"], "OSS")
            self.plant("DIS-013", "behavior_action", row)
        for student, spells in self.take(lambda s, _: s["student_uid"] not in self.programs):
            _, _, row = self.add_case(student["student_uid"], spells[0]["school"]["id"], "ISS",
                                      idea_removal_type="INSCHOOL")
            self.plant("DIS-015", "behavior_action", row)
        for program in self.take_programs("IDEA_B"):
            self.add_case(program["student_uid"], program["school_id"], "OSS",
                          official_length="12.0", actual_length="12.0",
                          services_after_removal="false", manifestation_determination_date="")
            if not self.clean:
                self.planted.append(("DIS-016", f"{program['student_uid']}|{self.year}"))
        for code, action, changes in (
                ("DIS-017", "ISS", dict(idea_removal_type="REMHO", idea_interim_reason="D")),
                ("DIS-018", "INTERIM_PLACEMENT", dict(
                    idea_removal_type="REMDW", idea_interim_reason="W", official_length="50.0",
                    actual_length="50.0", length_difference_reason="NO_DIFFERENCE")),
                ("DIS-018", "INTERIM_PLACEMENT", dict(
                    idea_removal_type="REMDW", idea_interim_reason="W", official_length="45.0",
                    day=self.texts[30], action_end=self.texts[75]))):
            for program in self.take_programs("IDEA_B"):
                _, _, row = self.add_case(program["student_uid"], program["school_id"], action,
                                          **changes)
                self.plant(code, "behavior_action", row)
        add("DIS-019", lambda row: dict(
            action_start=next_day(row), action_end=next_day(row),
            action_reason="ARSON"))
        self.plant_incidents()

    def plant_incidents(self):
        """Mistakes in incidents that ended without a suspension, and in who took part in them."""
        rng = self.mistakes
        few = min(self.quota(), 1 + len(self.calm) // 20)

        def take():
            chosen = self.calm[:few]
            del self.calm[:few]
            return [[row for _, row in case] for case in chosen]

        for incident, *_ in take():
            self.wrong("DIS-001", "behavior_incident", incident, incident_date="")
        for incident, *_ in take():
            self.wrong("DIS-003", "behavior_incident", incident, primary_behavior="ARSON")
        for incident, *_ in take():
            self.wrong("DIS-014", "behavior_incident", incident, **rng.choice(
                [dict(behaviors="WEAPONS_USE", primary_behavior="WEAPONS_USE", weapons=""),
                 dict(weapons="HANDGUN", firearm_type="")]))
        for _, person, *_ in take():
            self.wrong("DIS-010", "behavior_involvement", person, law_enforcement_referral="true",
                       school_arrest="true")
        for code, changes in (
                ("DIS-004", lambda r: dict(incident_id=r["incident_id"].replace("-", "-X"),
                                           participation="WITNESS")),
                ("DIS-005", lambda r: dict(student_uid="9" + r["student_uid"][1:])),
                ("DIS-023", lambda r: dict(student_uid="8" + r["student_uid"][1:],
                                           participation="VICTIM"))):
            for _, person, *_ in take():
                row = dict(person, **changes(person))
                self.insert("behavior_involvement", row)
                self.plant(code, "behavior_involvement", row)
        for _, _, action, *_ in take():
            row = dict(action, student_uid="7" + action["student_uid"][1:], action="NO_ACTION",
                       iep_at_action="false")
            self.insert("behavior_action", row)
            self.plant("DIS-004B", "behavior_action", row)

    def plant_behaviors_of_district(self):
        """A district that calls half of what happens something else."""
        incidents = self.tables["behavior_incident"]
        plain = [case[0][1] for case in self.calm
                 if case[0][1]["primary_behavior"] != "WEAPONS_POSSESSION"]
        known = {id(incident) for incident in plain}
        plain += [i for i in incidents if not i["weapons"] and i["primary_behavior"] == i["behaviors"]
                  and id(i) not in known and
                  oracle.record_key("behavior_incident", i) not in self.touched["behavior_incident"]]
        needed = len(incidents) // 4 + 1
        if len(incidents) < 20 or len(plain) < needed or self.clean:
            return
        for row in plain[:needed]:
            row.update(behaviors="OTHER", primary_behavior="OTHER")
        self.planted.append(("DIS-022", self.district))


def make(seed, place, students, schools, year=2026, first_number=0, clean=False):
    """A district of the state and what the rules must find in it."""
    district = StateDistrict(seed, place, students, schools, year, first_number, clean)
    district.build()
    truth = generate.judged(district, state_oracle.find(district.tables))
    for code, key in district.inside:
        if key in truth[code]:
            raise AssertionError(f"{code} finds {key}, which it must not by one")
    return district, truth


def sizes(attendance, districts):
    """Students of each district, the largest first."""
    weights = [(n + 1) ** -SKEW for n in range(districts)]
    students = attendance / PERIODS / sum(weights)
    return [max(SMALLEST, round(students * weight)) for weight in weights]


def schools_of(students):
    return min(200, max(1, round(students / 490)))


def write_district(folder, district, truth):
    folder.mkdir(parents=True, exist_ok=True)
    generate.write(folder / "organization.csv", COLUMNS["organization"], district.organizations)
    for dataset in DATASETS:
        generate.write(folder / f"{dataset}.csv", COLUMNS[dataset], district.tables[dataset])
    then = last_year.certified(district.place)
    if then:
        (folder / "last_year").mkdir(exist_ok=True)
    for dataset in then:
        generate.write(folder / "last_year" / f"{dataset}.csv", last_year.COLUMNS[dataset],
                       district.tables[f"last_year_{dataset}"])
    document = {
        "seed": district.seed, "school_year": district.year, "clean": district.clean,
        "district": district.district,
        "records": {dataset: len(district.tables[dataset]) for dataset in DATASETS},
        "last_year": {dataset: len(district.tables[f"last_year_{dataset}"]) for dataset in then},
        "rules": {code: sorted(keys) for code, keys in truth.items()},
    }
    with open(folder / "truth.json", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    return {"district": district.district, "records": document["records"],
            "findings": sum(map(len, truth.values()))}


def run(task):
    out, clean, arguments = task
    district, truth = make(*arguments, clean=clean)
    return write_district(out / district.district, district, truth)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attendance", type=int, default=1_000_000, metavar="N",
                        help="attendance summaries of the state, about")
    parser.add_argument("--districts", type=int, metavar="N",
                        help="by default one for each 5,000 attendance summaries")
    parser.add_argument("--schools", type=int, metavar="N",
                        help="of each district; by default one for each 490 students")
    parser.add_argument("--year", type=int, default=2026, help="year in which the school year ends")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--clean", action="store_true", help="leave the mistakes out")
    args = parser.parse_args(argv)
    districts = args.districts or max(1, args.attendance // 5000)
    if not 1 <= districts <= 880 * 29:
        parser.error("1 to 25,520 districts")
    tasks, first_number = [], 0
    for place, students in enumerate(sizes(args.attendance, districts)):
        schools = args.schools or schools_of(students)
        tasks.append((args.out, args.clean,
                      (args.seed, place, students, schools, args.year, first_number)))
        first_number += 4 * students
    if first_number > 9 * 10**8:
        parser.error("the register has no numbers for so many students")
    args.out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(args.jobs, maxtasksperchild=20) as pool:
        made = list(pool.imap(run, tasks, chunksize=1))
    totals = {name: sum(d["records"][name] for d in made) for name in DATASETS}
    with open(args.out / "state.json", "w", encoding="utf-8") as file:
        json.dump({"seed": args.seed, "school_year": args.year, "records": totals,
                   "districts": made}, file, indent=1)
        file.write("\n")
    generate.write(args.out / "code.csv", CODE_COLUMNS, codes(args.year))
    print(f"districts: {len(made)}")
    for dataset, rows in totals.items():
        print(f"{dataset}: {rows} rows")
    print(f"findings: {sum(d['findings'] for d in made)}")


if __name__ == "__main__":
    main(sys.argv[1:])
