"""What the rules in rules/ must find in a whole state: those that oracle.py leaves out, restated.

They read more than a district's enrollment and attendance: the calendar, the organisations, behavior,
special education, what was certified a year ago, and columns that only the state's files have. Like
oracle.py, slow and simple.

Dates are compared as texts, which for ISO dates is the same.
"""

import bisect
import datetime
import functools
import itertools
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction

import oracle
from oracle import record_key

CODES = (
    "ENR-001", "ENR-003", "ENR-007", "ENR-010B", "ENR-015", "ENR-016B", "ENR-018", "ENR-018B",
    "ENR-019B", "ENR-020B", "ENR-021B", "ENR-022", "ENR-022B", "ENR-023", "ENR-024", "ENR-025",
    "ENR-026",
    "ATT-001B", "ATT-003", "ATT-004B", "ATT-006B", "ATT-007", "ATT-009B", "ATT-012", "ATT-013",
    "ATT-014", "ATT-016", "ATT-018",
    "ATT-019", "ATT-020", "ATT-021", "ATT-023",
    "DIS-001", "DIS-002", "DIS-003", "DIS-004", "DIS-004B", "DIS-005", "DIS-006", "DIS-006B",
    "DIS-006C", "DIS-007", "DIS-008", "DIS-009", "DIS-010", "DIS-011", "DIS-012", "DIS-013",
    "DIS-014", "DIS-015", "DIS-016", "DIS-017", "DIS-018", "DIS-019", "DIS-020", "DIS-021",
    "DIS-022", "DIS-023",
    "SPE-001", "SPE-002", "SPE-003", "SPE-004", "SPE-005", "SPE-006", "SPE-007", "SPE-008",
    "SPE-009", "SPE-010", "SPE-011", "SPE-012", "SPE-013", "SPE-016", "SPE-016B", "SPE-017",
    "SPE-018", "SPE-019", "SPE-020", "SPE-021", "SPE-023",
    "S504-001", "S504-002", "S504-003", "S504-004", "S504-005", "S504-006")

TERRITORIES = ("USA", "PRI", "GUM", "ASM", "VIR", "MNP")
HIGH_SCHOOL = ("09", "10", "11", "12")
# The columns that hold codes, whose lists have their names, and the day on which a code must count.
CODED = dict.fromkeys((
    "sex", "race", "grade_level", "entry_type", "enrollment_status", "el_status",
    "nighttime_residence", "military_connected"), "entry_date") | {
        "exit_type": "exit_date", "diploma_type": "diploma_date"}
FIREARMS = {"HANDGUN", "RIFLE_OR_SHOTGUN", "OTHER_FIREARM"}
EXITS = {
    "IDEA_B": "GHS GRADALTDPL RC RMA D MKC TRAN DROPOUT PARENT_WITHDREW".split(),
    "IDEA_C": "PART_B_ELIGIBLE PART_B_NOT_ELIGIBLE PLAN_COMPLETED D MKC PARENT_WITHDREW".split(),
    "S504": "GHS GRADALTDPL RC RMA D MKC DROPOUT PARENT_WITHDREW PLAN_ENDED".split(),
}


# Days that are counted again by something else; not every file has all of them.
SPLITS = ("days_independent_study_not_earning", "days_eligible_present", "days_ineligible_present",
          "days_remote_sync", "days_remote_async")


def count_date(row):
    return f"{int(row['school_year']) - 1}-10-01"


def plus_years(text, years):
    day = datetime.date.fromisoformat(text)
    if (day.month, day.day) == (2, 29):
        day = day.replace(day=28)
    return day.replace(year=day.year + years).isoformat()


def in_school_year(row, day):
    year = int(row["school_year"])
    return f"{year - 1}-07-01" <= day <= f"{year}-06-30"


def within(day, first, last):
    """Whether the day is not before `first` and not after `last`, which is empty when open."""
    return first <= day and (not last or day <= last)


def enrolled(spell, day):
    return within(day, spell["entry_date"], spell["exit_date"])


def age_on_count_date(row):
    """Full years, or None."""
    if not row["birth_date"]:
        return None
    born = datetime.date.fromisoformat(row["birth_date"])
    on = datetime.date.fromisoformat(count_date(row))
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@functools.cache
def number(text):
    return Decimal(text) if text else Decimal(0)


def check_digit_holds(text):
    if len(text) != 10 or not text.isdigit():
        return False
    total = sum(int(c) for c in text[1::2])
    return (total + sum(int("0246813579"[int(c)]) for c in text[0::2])) % 10 == 0


def removes(action):
    """Out of school: a suspension or an expulsion."""
    return action["action"] == "OSS" or "EXPULSION" in action["action"]


def length(action):
    return number(action["actual_length"] or action["official_length"])


def measure(action):
    """What an action counts as in a comparison of years, or None."""
    if "EXPULSION" in action["action"]:
        return "EXPULSIONS"
    return "SUSPENSIONS" if action["action"] in ("ISS", "OSS") else None


def ethnicity(row):
    if row["hispanic_latino"] == "true":
        return "HISPANIC_LATINO"
    return "TWO_OR_MORE" if ";" in row["race"] else row["race"]


def off(now, then, percent, more_than):
    """Whether a number is farther from last year's than a share of it, and than so many."""
    return abs(now - then) * 100 > percent * then and abs(now - then) > more_than


def share_off(now, of, then, of_then):
    """Whether the share of Section 504 is farther from last year's than half of it, by ten or more."""
    return abs(now * of_then - then * of) * 2 > then * of and abs(now - then) >= 10


def newest(rows):
    """The rows of the newest school year."""
    year = max((row["school_year"] for row in rows), default="")
    return [row for row in rows if row["school_year"] == year]


def on_count_date(rows, first="entry_date", last="exit_date"):
    """The rows that are there on the count date of the newest school year."""
    if not rows:
        return []
    day = count_date(max(rows, key=lambda row: row["school_year"]))
    return [row for row in rows if within(day, row[first], row[last])]


def students(rows, *columns):
    """How many students there are for each of the values of the columns."""
    return Counter(key[:-1] for key in {
        tuple(row[c] for c in columns) + (row["student_uid"],) for row in rows})


def grouped(rows, *columns):
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[c] for c in columns)].append(row)
    return groups


class Oracle:
    """Goes through the tables of one district; `found` has the keys by rule."""

    def __init__(self, tables):
        self.tables = tables
        self.found = defaultdict(set)
        self.enrollment = tables["enrollment"]
        self.schools = [o for o in tables["organization"] if o["kind"] == "SCHOOL"]
        self.places = grouped(self.enrollment, "student_uid", "school_id")
        self.students = grouped(self.enrollment, "student_uid")
        self.years = max((int(r["school_year"]) for r in self.enrollment), default=0)
        self.taught = defaultdict(set)  # days by school
        self.calendars = defaultdict(list)  # days by school, track, year and period
        for day in tables["calendar_day"]:
            if day["instructional"] == "true":
                self.taught[day["school_id"]].add(day["calendar_date"])
                track = (day["school_id"], day["calendar_track"], day["school_year"])
                for period in {day["reporting_period"], "0"} - {""}:
                    self.calendars[track + (period,)].append(day["calendar_date"])
        for days in self.calendars.values():
            days.sort()

    def mark(self, code, dataset, rows):
        self.found[code].update(record_key(dataset, row) for row in rows)

    # ---- Enrollment ----

    def enrollments(self):
        schools = {o["organization_id"]: o for o in self.tables["organization"]}
        for row in self.enrollment:
            for code in self.enrollment_row(row, schools.get(row["school_id"])):
                self.found[code].add(record_key("enrollment", row))
        for (student,), rows in self.students.items():
            if len({r["birth_date"] for r in rows} - {""}) > 1:
                self.found["ENR-016B"].add(student)
            primary = [r for r in rows if r["enrollment_status"] == "PRIMARY"]
            for day in {r["entry_date"] for r in primary}:
                there = [r for r in primary if enrolled(r, day)]
                if sum(number(r["fte"]) for r in there) > 1:
                    self.mark("ENR-010B", "enrollment", there)
        day = f"{self.years - 1}-10-01"
        attended = {r["school_id"] for r in self.enrollment
                    if int(r["school_year"]) == self.years and enrolled(r, day)}
        self.mark("ENR-021B", "organization", (
            o for o in self.schools if self.enrollment and within(day, o["open_date"], o["close_date"])
            and o["organization_id"] not in attended))

    def enrollment_row(self, row, school):
        entry, leave, grade = row["entry_date"], row["exit_date"], row["grade_level"]
        if not check_digit_holds(row["student_uid"]):
            yield "ENR-001"
        if not in_school_year(row, entry):
            yield "ENR-003"
        if school and school["grades_offered"] and grade not in school["grades_offered"].split(";"):
            yield "ENR-007"
        if not school or school["kind"] != "SCHOOL" or school["open_date"] > entry or (
                school["close_date"]
                and school["close_date"] < (leave or f"{row['school_year']}-06-30")):
            yield "ENR-015"
        if grade in ("07", "08", "09", "10", "11") and row["exit_type"] in (
                "WITHDRAWN", "NO_SHOW", "INVOLUNTARILY_REMOVED", "EXPELLED", "OTHER"):
            if not any(other is not row and (not other["exit_date"] or
                                             (leave and other["exit_date"] > leave))
                       for other in self.students[(row["student_uid"],)]):
                yield "ENR-018"
        if row["birth_country"] and row["birth_country"] not in TERRITORIES and \
                not row["first_us_enrollment_date"] and grade not in ("IT", "PK", "AE", "OS"):
            yield "ENR-019B"
        if (row["homeless"] == "true" and not row["nighttime_residence"]) or (
                row["migrant"] == "true" and not row["migrant_program_start"]):
            yield "ENR-020B"

    # ---- Attendance ----

    def attendance(self):
        actions = self.tables["behavior_action"]
        out = {(a["student_uid"], a["school_year"]) for a in actions if removes(a)}
        inside = {(a["student_uid"], a["school_year"]) for a in actions if a["action"] == "ISS"}
        funded = defaultdict(lambda: [False, Decimal(0)])
        for row in self.tables["attendance_summary"]:
            key, who = record_key("attendance_summary", row), (row["student_uid"],
                                                               row["school_year"])
            for code in self.summary_row(row):
                self.found[code].add(key)
            if number(row["days_absent_oss"]) > 0 and who not in out:
                self.found["ATT-012"].add(key)
            if number(row["days_present_iss"]) > 0 and who not in inside:
                self.found["ATT-014"].add(key)
            sums = funded[(row["school_id"], row["school_year"], row["reporting_period"])]
            sums[0] |= bool(row["days_eligible_present"] or row["days_ineligible_present"])
            sums[1] += number(row["days_eligible_present"]) + number(
                row["days_ineligible_present"]) - number(row["days_present"]) - number(
                row["days_present_iss"])
        self.found["ATT-020"].update("|".join(group) for group, (said, gap) in funded.items()
                                     if said and gap != 0)
        self.events(actions)
        years = {int(r["school_year"]) for r in self.tables["attendance_summary"]}
        there = {(r["school_id"], int(r["school_year"])) for r in self.tables["attendance_summary"]}
        for school in self.schools if years else ():
            newest = max(years)
            if school["open_date"] <= f"{newest}-06-30" and not (
                    school["close_date"] and school["close_date"] < f"{newest - 1}-07-01") and (
                    school["organization_id"], newest) not in there:
                self.mark("ATT-019", "organization", [school])

    def summary_row(self, row):
        splits = [row[c] for c in SPLITS if row.get(c)]
        if any(Decimal(days) < 0 or Decimal(days) * 2 % 1 != 0 for days in splits):
            yield "ATT-001B"
        if row["exemption_reason"] and splits:
            yield "ATT-004B"
        days = self.calendars.get((row["school_id"], row["calendar_track"], row["school_year"],
                                   row["reporting_period"]))
        if not days:
            return
        expected = Decimal(row["days_expected"]) if row["days_expected"] else None
        if expected is not None and expected > len(days):
            yield "ATT-003"
        spells = self.places.get((row["student_uid"], row["school_id"]), ())
        if spells and not any(s["entry_date"] <= days[-1] and
                              (not s["exit_date"] or s["exit_date"] >= days[0]) for s in spells):
            yield "ATT-006B"
        counts = [self.days_of(days, s["entry_date"], s["exit_date"]) for s in spells]
        if expected is not None and any(counts) and abs(expected - sum(counts)) > 1:
            yield "ATT-007"

    @staticmethod
    def days_of(days, first, last):
        """How many of the days, which are sorted, are not before `first` nor after `last`."""
        end = bisect.bisect_right(days, last) if last else len(days)
        return max(0, end - bisect.bisect_left(days, first))

    def events(self, actions):
        events = self.tables["attendance_event"]
        absences, away, unexcused = defaultdict(list), defaultdict(set), defaultdict(set)
        last = {}
        for row in events:
            school, day = row["school_id"], row["event_date"]
            last[school] = max(last.get(school, day), day)
            if row["event_type"] != "EXTRACURRICULAR" and self.taught[school] and \
                    day not in self.taught[school]:
                self.mark("ATT-009B", "attendance_event", [row])
            if row["category"] not in oracle.ABSENCES:
                continue
            absences[row["student_uid"]].append(day)
            share = Decimal(row["duration_days"] or 1)
            if share >= Decimal("0.5"):
                away[(school, day)].add(row["student_uid"])
            if row["category"] == "UNEXCUSED_ABSENCE" and share >= 1:
                unexcused[(row["student_uid"], school)].add(day)
        suspended = {(r["student_uid"], r["school_year"]) for r in
                     self.tables["attendance_summary"] if number(r["days_absent_oss"]) > 0}
        self.mark("ATT-013", "behavior_action", (
            a for a in actions if a["action"] == "OSS" and a["action_start"]
            and (a["student_uid"], a["school_year"]) not in suspended
            and not any(a["action_start"] <= day <= (a["action_end"] or a["action_start"])
                        for day in absences[a["student_uid"]])))
        self.ten_days(unexcused)
        spells = defaultdict(Counter)
        for row in self.enrollment:
            spells[row["school_id"]][(row["entry_date"], row["exit_date"])] += 1
        for day in self.tables["calendar_day"]:
            absent = len(away[(day["school_id"], day["calendar_date"])])
            if absent and day["instructional"] == "true":
                there = sum(count for (first, last), count in spells[day["school_id"]].items()
                            if within(day["calendar_date"], first, last))
                if there and absent * 10 > there * 4:
                    self.mark("ATT-021", "calendar_day", [day])
        newest = max(last.values(), default="")
        for row in self.tables["organization"]:
            school = row["organization_id"]
            if school in last and sum(last[school] < day <= newest
                                      for day in self.taught[school]) > 10:
                self.mark("ATT-023", "organization", [row])

    def ten_days(self, unexcused):
        for (student, school), days in unexcused.items():
            taught = sorted(self.taught[school]) if len(days) >= 10 else []
            for n in range(len(taught) - 9):
                if all(day in days for day in taught[n:n + 10]):
                    self.mark("ATT-016", "enrollment", (
                        s for s in self.places.get((student, school), ())
                        if s["entry_date"] <= taught[n]
                        and (not s["exit_date"] or s["exit_date"] > taught[n + 9])))

    # ---- Behavior ----

    def behavior(self):
        incidents = {(i["school_year"], i["incident_id"]): i
                     for i in self.tables["behavior_incident"]}
        involved = grouped(self.tables["behavior_involvement"], "school_year", "incident_id")
        for key, row in incidents.items():
            behaviors, weapons = row["behaviors"].split(";"), row["weapons"].split(";")
            perpetrated = any(v["participation"] == "PERPETRATOR" for v in involved.get(key, ()))
            bad = {
                "DIS-001": not row["incident_date"] or not in_school_year(
                    row, row["incident_date"]),
                "DIS-003": not perpetrated or row["primary_behavior"] not in behaviors,
                "DIS-014": ({"WEAPONS_POSSESSION", "WEAPONS_USE"} & set(behaviors)
                            and not row["weapons"])
                or (FIREARMS & set(weapons) and not row["firearm_type"]),
            }
            for code in [code for code, holds in bad.items() if holds]:
                self.mark(code, "behavior_incident", [row])
        self.involvements(incidents)
        self.actions(incidents)
        self.behavior_of_schools(incidents.values())

    def involvements(self, incidents):
        for row in self.tables["behavior_involvement"]:
            incident = incidents.get((row["school_year"], row["incident_id"]))
            codes = []
            if not incident:
                codes.append("DIS-004")
            elif row["participation"] == "PERPETRATOR" and \
                    row["person_type"] in ("", "STUDENT") and not (
                    incident["incident_date"] and any(
                        enrolled(s, incident["incident_date"]) for s in
                        self.places.get((row["student_uid"], incident["school_id"]), ()))):
                codes.append("DIS-005")
            if row["law_enforcement_referral"] == "true" and row["school_arrest"] == "true":
                codes.append("DIS-010")
            if row["participation"] == "VICTIM" and row["person_type"] == "STUDENT" and not any(
                    s["school_year"] == row["school_year"]
                    for s in self.students.get((row["student_uid"],), ())):
                codes.append("DIS-023")
            for code in codes:
                self.mark(code, "behavior_involvement", [row])

    def actions(self, incidents):
        rows = self.tables["behavior_action"]
        people = {(v["school_year"], v["incident_id"], v["student_uid"])
                  for v in self.tables["behavior_involvement"]}
        programs = grouped((p for p in self.tables["special_education"]
                            if p["program"] == "IDEA_B"), "student_uid")
        for row in rows:
            iep = [p for p in programs.get((row["student_uid"],), ()) if row["action_start"] and
                   within(row["action_start"], p["program_start"], p["program_exit"])]
            incident = incidents.get((row["school_year"], row["incident_id"]))
            who = (row["school_year"], row["incident_id"], row["student_uid"])
            if who not in people:
                self.mark("DIS-004B", "behavior_action", [row])
            for code in self.action_row(row, incident, iep):
                self.mark(code, "behavior_action", [row])
        for group in grouped((r for r in rows if r["action"] not in ("", "NO_ACTION")
                              and r["action_start"]), "school_year", "incident_id", "student_uid",
                             "action", "action_start").values():
            if len(group) > 1:
                self.mark("DIS-002", "behavior_action", group)
        self.overlapping([r for r in rows if r["action"] in ("ISS", "OSS") and r["action_start"]])
        for key, group in grouped(rows, "school_year", "incident_id", "student_uid").items():
            self.actions_of_incident("|".join(key), group)
        for key, group in grouped(rows, "student_uid", "school_year").items():
            days = sum(length(a) for a in group if a["iep_at_action"] == "true" and removes(a))
            if days > 10 and not (
                    any(a["services_after_removal"] == "true" for a in group)
                    and any(a["manifestation_determination_date"] for a in group)):
                self.found["DIS-016"].add("|".join(key))

    def action_row(self, row, incident, iep):
        first, last = row["action_start"], row["action_end"]
        official, actual = row["official_length"], row["actual_length"]
        kept_out = row["action"] == "ISS" or removes(row)
        if first and last and last < first:
            yield "DIS-006"
        if incident and incident["incident_date"] and first and first < incident["incident_date"]:
            yield "DIS-006B"
        taught = self.taught[row["school_id"]]
        if kept_out and taught and any(day and day not in taught for day in (first, last)):
            yield "DIS-006C"
        if kept_out and number(official) <= 0:
            yield "DIS-007"
        if official and actual:
            differ = Decimal(official) != Decimal(actual)
            reason = row["length_difference_reason"]
            if reason in ("", "NO_DIFFERENCE") if differ else reason != "NO_DIFFERENCE":
                yield "DIS-008"
        if row["action"] == "OSS" and first and any(
                s["grade_level"] in ("PK", "TK", "KG", "01", "02") and enrolled(s, first)
                for s in self.students.get((row["student_uid"],), ())):
            yield "DIS-013"
        removal, reason = row["idea_removal_type"], row["idea_interim_reason"]
        if (not iep and (removal or reason)) or (
                iep and not removal and (kept_out or row["action"] == "INTERIM_PLACEMENT")):
            yield "DIS-015"
        if (removal == "REMDW" and not reason) or (removal == "REMHO" and reason):
            yield "DIS-017"
        during = sum(first <= day <= last for day in taught) if first and last else 0
        if removal == "REMDW" and max(number(official), number(actual), during) > 45:
            yield "DIS-018"

    def overlapping(self, suspensions):
        for group in grouped(suspensions, "student_uid").values():
            for one, other in itertools.permutations(group, 2):
                if (one["incident_id"], one["school_year"]) != (other["incident_id"],
                                                                other["school_year"]) and \
                        other["action_start"] <= (one["action_end"] or one["action_start"]) and \
                        one["action_start"] <= (other["action_end"] or other["action_start"]):
                    self.mark("DIS-011", "behavior_action", [one])

    def actions_of_incident(self, key, group):
        nothing = [a for a in group if a["action"] == "NO_ACTION"]
        if nothing and len({a["action"] for a in group} - {"", "NO_ACTION"}) > 0:
            self.found["DIS-009"].add(key)
        longest = max((max(number(a["official_length"]), number(a["actual_length"]))
                       for a in group if a["action"] == "OSS"), default=0)
        if longest > 10 and not any("EXPULSION" in a["action"] for a in group):
            self.found["DIS-012"].add(key)
        suspensions = [a for a in group if a["action"] in ("ISS", "OSS")]
        if len({a["action_reason"] for a in suspensions} - {""}) > 1 and \
                len({a["action_start"] for a in suspensions} - {""}) > 1:
            self.found["DIS-019"].add(key)

    def behavior_of_schools(self, incidents):
        full_time = defaultdict(Decimal)
        for row in self.enrollment:
            if int(row["school_year"]) == self.years:
                full_time[row["school_id"]] += Decimal(row["fte"] or 1)
        known = {i["school_id"] for i in incidents if int(i["school_year"]) == self.years}
        self.mark("DIS-020", "organization", (
            o for o in self.schools if full_time[o["organization_id"]] > 300
            and o["organization_id"] not in known))
        for group in grouped(incidents, "school_year").values():
            if len(group) < 20:
                continue
            kinds = Counter(i["primary_behavior"] for i in group)
            if max(kinds.values()) * 10 > 9 * len(group) or kinds["OTHER"] * 4 > len(group):
                self.mark("DIS-022", "organization", (
                    o for o in self.tables["organization"] if o["kind"] == "DISTRICT"))

    # ---- Special education ----

    def special(self):
        rows = self.tables["special_education"]
        students = grouped(rows, "student_uid")
        removals = grouped((a for a in self.tables["behavior_action"] if removes(a)),
                           "student_uid")
        for row in rows:
            active = within(count_date(row), row["program_start"], row["program_exit"])
            for code in itertools.chain(
                    self.program_row(row, active),
                    self.program_and_others(row, active, students, removals)):
                self.mark(code, "special_education", [row])
        self.special_of_schools(rows)

    def program_row(self, row, active):
        program, exit_reason, day = row["program"], row["exit_reason"], count_date(row)
        age, idea = age_on_count_date(row), row["program"] == "IDEA_B" and active
        disability, services = row["primary_disability"], row["services"].split(";")
        if (program != "S504") == (not disability):
            yield "SPE-001"
        if row["birth_date"] and row["program_start"] < row["birth_date"]:
            yield "SPE-002"
        if bool(row["program_exit"]) != bool(exit_reason):
            yield "SPE-003"
        if exit_reason and exit_reason not in EXITS[program]:
            yield "SPE-004"
        first, last = row["iep_start"], row["iep_end"]
        if (first and last and last > plus_years(first, 1)) or (
                idea and not (first and last and first <= day <= last)):
            yield "SPE-005"
        evaluated, due = row["evaluation_date"], row["next_reeval_due"]
        if idea and ((evaluated and plus_years(evaluated, 3) < day) or (due and due < day)):
            yield "SPE-006"
        if program != "S504" and row["eligibility_date"] and row["consent_date"] and \
                not row["eligibility_delay_reason"]:
            took = datetime.date.fromisoformat(row["eligibility_date"]) - \
                datetime.date.fromisoformat(row["consent_date"])
            if took.days > 60:
                yield "SPE-007"
        school_age, early = row["environment_school_age"], row["environment_early_childhood"]
        if idea:
            young = age is not None and age <= 5 and row["grade_level"] in ("", "IT", "PK")
            if (not early or school_age) if young else (not school_age or early):
                yield "SPE-008"
        if school_age in ("RC80", "RC79TO40", "RC39") and row["minutes_special_ed"] and \
                number(row["minutes_total_week"]) > 0:
            total = number(row["minutes_total_week"])
            share = (total - number(row["minutes_special_ed"])) / total
            if school_age != ("RC80" if share >= Decimal("0.8") else
                              "RC79TO40" if share >= Decimal("0.4") else "RC39"):
                yield "SPE-009"
        delayed = "DD" in [disability] + row["secondary_disabilities"].split(";")
        if delayed and active and age is not None and age > 9:
            yield "SPE-010"
        if idea and age is not None and not 3 <= age <= 21:
            yield "SPE-011"
        if program != "S504" and (
                not row["services"] or number(row["minutes_services"]) <= 0 or
                (disability == "SLI" and "SPEECH_LANGUAGE_AND_AUDIOLOGY" not in services)):
            yield "SPE-018"
        if idea and age is not None and age >= 16 and not row["transition_plan_date"]:
            yield "SPE-019"
        if program == "S504" and active:
            reviewed = row["plan_review_date"] or row["s504_start"]
            if not (row["s504_start"] and row["s504_start"] <= day) or \
                    (reviewed and plus_years(reviewed, 1) < day):
                yield "S504-002"
        if program == "S504" and not row["program_exit"] and not row["accommodations"]:
            yield "S504-003"

    def program_and_others(self, row, active, students, removals):
        spells = self.students.get((row["student_uid"],), ())
        there = any(enrolled(s, count_date(row)) for s in spells)
        if active and not there:
            if row["program"] == "IDEA_B" and row["environment_school_age"] != "PPPS":
                yield "SPE-012"
            if row["program"] == "S504":
                yield "S504-005"
        if row["program"] != "S504":
            if row["exit_reason"] == "GHS" and not any(
                    s["exit_type"] == "GRADUATED" and s["diploma_type"] for s in spells):
                yield "SPE-017"
            if row["exit_reason"] == "DROPOUT" and not any(
                    s["exit_type"] == "DROPOUT" for s in spells):
                yield "SPE-017"
        for other in students[(row["student_uid"],)]:
            if other is row or not (
                    (not other["program_exit"] or other["program_exit"] >= row["program_start"])
                    and (not row["program_exit"] or row["program_exit"] >= other["program_start"])):
                continue
            if row["program"] != "S504" and other["program"] != "S504":
                yield "SPE-013"
            if row["program"] == "S504" and other["program"] == "IDEA_B":
                yield "S504-001"
        if row["program"] == "S504":
            during = [a for a in removals.get((row["student_uid"],), ()) if a["action_start"] and
                      within(a["action_start"], row["program_start"], row["program_exit"])]
            for group in grouped(during, "school_year").values():
                if sum(length(a) for a in group) > 10 and not any(
                        a["manifestation_determination_date"] for a in group):
                    yield "S504-006"

    def special_of_schools(self, rows):
        for (year,), group in grouped(rows, "school_year").items():
            counted = [p for p in group if p["program"] == "IDEA_B" and
                       within(count_date(p), p["program_start"], p["program_exit"])]
            students = len({p["student_uid"] for p in counted})
            by_environment = sum(bool(p["environment_school_age"]) for p in counted) + \
                sum(bool(p["environment_early_childhood"]) for p in counted)
            if students not in (by_environment,) or \
                    students != sum(bool(p["primary_disability"]) for p in counted):
                self.found["SPE-023"].add(year)
        if not self.enrollment:
            return
        day = f"{self.years - 1}-10-01"
        there, full_time, served = defaultdict(set), defaultdict(Decimal), defaultdict(set)
        for row in self.enrollment:
            if enrolled(row, day):
                there[row["school_id"]].add(row["student_uid"])
                full_time[row["school_id"]] += Decimal(row["fte"] or 1)
        for row in rows:
            if row["program"] == "IDEA_B" and within(day, row["program_start"],
                                                     row["program_exit"]):
                served[row["school_id"]].add(row["student_uid"])
        for school in self.schools:
            ident = school["organization_id"]
            if ident in there and (len(served[ident]) * 4 > len(there[ident]) or (
                    not served[ident] and full_time[ident] > 100)):
                self.mark("SPE-020", "organization", [school])
        if sum(map(len, served.values())) * 4 > sum(map(len, there.values())):
            self.mark("SPE-020", "organization", (
                o for o in self.tables["organization"] if o["kind"] == "DISTRICT"))

    # ---- Codes, and what was certified a year ago ----

    def codes(self):
        lasts = {(c["code_list"], c["code"]): c["effective_to"] for c in self.tables["code"]}
        for row in self.enrollment:
            for column, day in CODED.items():
                for code in row[column].split(";") if row[column] else ():
                    last = lasts.get((column, code))
                    if last is None or (last and row[day] and row[day] > last):
                        self.mark("ENR-026", "enrollment", [row])

    def last_year(self):
        self.enrollment_of_years()
        self.attendance_of_years()
        self.behavior_of_years()
        self.special_of_years()

    def years_of(self, dataset):
        return self.tables[dataset], self.tables["last_year_" + dataset]

    def mark_places(self, code, kind, places):
        self.mark(code, "organization", (o for o in self.tables["organization"]
                                         if o["kind"] == kind and o["organization_id"] in places))

    def enrollment_of_years(self):
        day = f"{self.years - 1}-10-01"
        judged = {o["organization_id"] for o in self.schools
                  if self.enrollment and (not o["close_date"] or o["close_date"] >= day)}
        now, then = (on_count_date(rows) for rows in self.years_of("enrollment"))
        main, main_then = ([r for r in rows if r["enrollment_status"] in ("", "PRIMARY")]
                           for rows in (now, then))
        for code, columns in (("ENR-022", ("school_id",)),
                              ("ENR-022B", ("school_id", "grade_level"))):
            are, were = students(main, *columns), students(main_then, *columns)
            self.found[code].update(
                place[0] for place, count in were.items()
                if place[0] in judged and place[-1] and off(are[place], count, 20, 25))
        self.ethnicities(now, then)
        self.not_back()
        now, then = (newest(rows) for rows in self.years_of("enrollment"))
        ended = {r["school_id"] for r in now
                 if r["exit_type"] in ("COMPLETED", "END_OF_SCHOOL_YEAR", "GRADUATED")}
        graduates = students((r for r in now if r["exit_type"] == "GRADUATED"), "school_id")
        peers = students((r for r in then if r["grade_level"] == "12"), "school_id")
        self.mark_places("ENR-024", "SCHOOL", {
            place[0] for place, count in peers.items() if place[0] in ended and
            (place not in graduates or graduates[place] * 10 > count * 12)})
        high = [r for r in now if r["grade_level"] in HIGH_SCHOOL]
        lost = {r["school_id"] for r in high if r["exit_type"] == "DROPOUT"}
        lost_then = {r["school_id"] for r in then if r["exit_type"] == "DROPOUT"}
        self.mark_places("ENR-025", "SCHOOL", {
            school for (school,), count in students(high, "school_id").items()
            if count >= 100 and school in (ended & lost_then) - lost})

    def not_back(self):
        """The schools of those whose last spell of last year, in grades 7 to 11, says of no other school
        where they went, and who have no spell of this year."""
        now, then = self.years_of("enrollment")
        last = {}
        for row in then:
            last[row["student_uid"]] = max(last.get(row["student_uid"], ""), row["entry_date"])
        back, at = {row["student_uid"] for row in newest(now)}, defaultdict(set)
        for row in newest(then):
            if row["grade_level"] in ("07", "08", "09", "10", "11") and row["exit_type"] in (
                    "", "END_OF_SCHOOL_YEAR", "WITHDRAWN", "NO_SHOW", "INVOLUNTARILY_REMOVED",
                    "EXPELLED", "OTHER") and row["entry_date"] == last[row["student_uid"]]:
                at[row["student_uid"]].add(row["school_id"])
        if now:
            self.mark_places("ENR-018B", "SCHOOL", {
                min(schools) for student, schools in at.items() if student not in back})

    def ethnicities(self, now, then):
        shares = []
        for rows in (now, then):
            of_school = students(rows, "school_id")
            seen = {(r["school_id"], ethnicity(r), r["student_uid"]) for r in rows}
            shares.append(defaultdict(dict))
            for (school, name), count in Counter(key[:2] for key in seen).items():
                if of_school[(school,)] >= 100:
                    shares[-1][school][name] = Fraction(100 * count, of_school[(school,)])
        are, were = shares
        self.mark_places("ENR-023", "SCHOOL", {
            school for school in are.keys() & were.keys() if any(
                abs(are[school].get(name, 0) - were[school].get(name, 0)) > 5
                for name in are[school].keys() | were[school].keys())})

    def attendance_of_years(self):
        rates, chronic = [], []
        for rows in self.years_of("attendance_summary"):
            sums, there, often = defaultdict(lambda: [0, 0]), defaultdict(set), defaultdict(set)
            for row in newest(rows):
                if number(row["days_expected"]) > 0:
                    school = row["school_id"]
                    sums[school][0] += number(row["days_expected"])
                    sums[school][1] += number(row["days_present"]) + number(
                        row["days_present_iss"]) + number(row["days_independent_study"])
                    there[school].add(row["student_uid"])
                    if row["chronic_absent"] == "true":
                        often[school].add(row["student_uid"])
            rates.append({school: Fraction(100 * attended) / Fraction(expected)
                          for school, (expected, attended) in sums.items()})
            chronic.append({school: Fraction(100 * len(often[school]), len(who))
                            for school, who in there.items()})
        self.mark_places("ATT-018", "SCHOOL", {
            school for school in rates[0].keys() & rates[1].keys()
            if abs(rates[0][school] - rates[1][school]) > 3
            or abs(chronic[0][school] - chronic[1][school]) > 10})

    def behavior_of_years(self):
        actions, actions_then = (newest(rows) for rows in self.years_of("behavior_action"))
        if not actions_then:
            return
        for kind in ("SUSPENSIONS", "EXPULSIONS"):
            now, then = (Counter(a["school_id"] for a in rows if measure(a) == kind)
                         for rows in (actions, actions_then))
            self.compare("DIS-021", now, then, lambda *numbers: off(*numbers, 50, 20))

    def compare(self, code, now, then, differs):
        """Marks the schools whose numbers differ, and the district when those of all do."""
        self.mark_places(code, "SCHOOL", {school for school in now.keys() | then.keys()
                                          if differs(now[school], then[school])})
        if differs(sum(now.values()), sum(then.values())):
            self.mark(code, "organization", (
                o for o in self.tables["organization"] if o["kind"] == "DISTRICT"))

    def special_of_years(self):
        programs, programs_then = self.years_of("special_education")
        if not programs_then:
            return
        self.gone(programs, programs_then)
        if not programs:
            return
        counts = []
        for program in ("IDEA_B", "S504"):
            for rows in (programs, programs_then):
                there = on_count_date(rows, "program_start", "program_exit")
                counts.append(Counter(school for school, _ in {
                    (p["school_id"], p["student_uid"]) for p in there if p["program"] == program}))
        self.compare("SPE-021", *counts[:2], lambda *numbers: off(*numbers, 15, 10))
        heads, heads_then = (students(on_count_date(rows), "school_id")
                             for rows in self.years_of("enrollment"))
        shares = {school: (counts[2][school], heads[(school,)], counts[3][school],
                           heads_then[(school,)])
                  for (school,) in heads.keys() & heads_then.keys()}
        self.mark_places("S504-004", "SCHOOL", {
            school for school, numbers in shares.items() if share_off(*numbers)})
        if shares and share_off(*map(sum, zip(*shares.values()))):
            self.mark("S504-004", "organization", (
                o for o in self.tables["organization"] if o["kind"] == "DISTRICT"))

    def gone(self, programs, programs_then):
        """Of whom last year's count knows no exit, and this year no program that began by now."""
        day_then = count_date(max(programs_then, key=lambda p: p["school_year"]))
        counted = defaultdict(list)  # schools by student
        for row in programs_then:
            if row["program"] == "IDEA_B" and not row["program_exit"] and \
                    row["program_start"] <= day_then:
                counted[row["student_uid"]].append(row["school_id"])

        def known(day):
            return {p["student_uid"] for p in programs
                    if p["program"] == "IDEA_B" and p["program_start"] <= day}

        if self.enrollment:
            here = known(f"{self.years - 1}-10-01")
            self.mark("SPE-016", "enrollment", (
                row for row in on_count_date(self.enrollment)
                if row["student_uid"] in counted and row["student_uid"] not in here))
        if programs:
            day = count_date(max(programs, key=lambda p: p["school_year"]))
            here = known(day) | {r["student_uid"] for r in self.enrollment if enrolled(r, day)}
            schools = {min(at) for student, at in counted.items() if student not in here}
            self.mark("SPE-016B", "organization", (
                o for o in self.tables["organization"] if o["organization_id"] in schools))


def find(tables):
    """For each rule of oracle.py and of here the set of keys that it must find in a district.

    `tables` maps the datasets, with those of the organisations, the codes and last year, to lists of
    rows, each a dict of texts.
    """
    district = Oracle(tables)
    district.enrollments()
    district.attendance()
    district.behavior()
    district.special()
    district.codes()
    district.last_year()
    return {**oracle.find(tables), **{code: district.found[code] for code in CODES}}
