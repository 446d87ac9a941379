"""What a district certified a year ago.

It is what the district has now, each date and school year one earlier: nobody was promoted, and what
is compared stays as it was. Then it is changed at a few schools: at one by just as much as a rule finds,
at another by just as much as it does not. What the rules must find says state_oracle.py, as ever.

A district may have certified nothing yet, or enrollment alone: see `certified`.
"""

import functools
import itertools
import random
from collections import Counter

import oracle
import state_oracle
from state_oracle import grouped, off, on_count_date, share_off, students

# The columns that the rules read, and the keys.
COLUMNS = dict(
    enrollment="""student_uid school_id entry_date school_year hispanic_latino race grade_level
        exit_date exit_type enrollment_status""".split(),
    attendance_summary="""student_uid school_id calendar_track reporting_period school_year
        days_expected days_present days_present_iss days_independent_study chronic_absent""".split(),
    behavior_action="school_year incident_id student_uid action_id school_id action".split(),
    special_education="""student_uid program program_start school_year school_id
        program_exit""".split(),
)
DAYS = ("days_expected", "days_present", "days_present_iss", "days_independent_study")


def certified(place):
    """The datasets that the district of that place certified a year ago."""
    if place % 7 == 1:
        return ()  # It was founded since.
    return ("enrollment",) if place % 7 == 2 else tuple(COLUMNS)


def earlier(day):
    """The day a year before."""
    if day.endswith("-02-29"):
        day = day[:-2] + "28"
    return day and f"{int(day[:4]) - 1}{day[4:]}"


def tenths(text):
    return round(float(text or 0) * 10)


def days(count):
    return f"{count // 10}.{count % 10}"


def repeated(rows):
    """Students of more than one row."""
    return {who for who, count in Counter(r["student_uid"] for r in rows).items() if count > 1}


def least(finds):
    """The least number, from 1 on, that the rule finds."""
    return next(filter(finds, itertools.count(1)))


def evenly(rows, count):
    """So many of the rows, or all of them, from the first to the last."""
    return [rows[n * len(rows) // count] for n in range(count)] if count < len(rows) else rows


class LastYear:
    """The tables of a district a year ago. `planted` has what rules must find, and `inside` what they
    must not although it differs: pairs of a rule and the key of a record of now."""

    def __init__(self, district):
        self.now, self.year = district.tables, district.year
        self.district, self.even = district.district, district.place % 2 == 0
        self.quota = district.quota()
        self.rng = random.Random(f"{district.seed}/last year")
        self.planted, self.inside, self.strangers = [], [], 0
        self.tables = {dataset: [] for dataset in COLUMNS}
        datasets = certified(district.place)
        for dataset in datasets:
            getattr(self, f"copy_{dataset}")()
        if not district.clean:
            for dataset in datasets:
                getattr(self, f"plant_{dataset}")()

    # ---- As it is now ----

    def copy(self, dataset, *dates):
        for row in self.now[dataset]:
            then = {column: row[column] for column in COLUMNS[dataset]}
            then["school_year"] = str(self.year - 1)
            for column in dates:
                then[column] = earlier(row[column])
            self.tables[dataset].append(then)

    def copy_enrollment(self):
        self.copy("enrollment", "entry_date", "exit_date")

    def copy_behavior_action(self):
        self.copy("behavior_action")

    def copy_special_education(self):
        self.copy("special_education", "program_start", "program_exit")

    def copy_attendance_summary(self):
        """One row for the year. Chronically absent is who was so in a period, as the rule has it."""
        sums = {}
        for row in self.now["attendance_summary"]:
            if row["days_expected"]:
                key = row["student_uid"], row["school_id"], row["calendar_track"]
                total = sums.setdefault(key, [0, 0, 0, 0, False])
                for n, column in enumerate(DAYS):
                    total[n] += tenths(row[column])
                total[4] |= row["chronic_absent"] == "true"
        for key, (*counts, chronic) in sums.items():
            self.tables["attendance_summary"].append(dict(zip(COLUMNS["attendance_summary"], (
                *key, "0", str(self.year - 1), *map(days, counts), "true" if chronic else "false"))))

    # ---- What differs ----

    def stranger(self):
        """The number of one who has left since."""
        self.strangers += 1
        return f"6{self.strangers:09}"

    def schools(self, counts):
        """The schools of these counts, in an order of chance."""
        schools = sorted(school for (school,) in counts)
        self.rng.shuffle(schools)
        return schools

    def ends_first(self, counts, sizes):
        """The schools of these counts, the largest and the smallest before the others. At the one a
        share decides how much is tolerated, at the other a number."""
        schools = sorted(self.schools(counts), key=lambda school: -sizes[school])
        return schools[:1] + schools[:0:-1]

    def at_two(self, code, schools, finds, change):
        """Changes a school by as many as the rule finds, another by one less; how many that is."""
        added = 0
        for school, planted, less in zip(schools, (self.planted, self.inside), (0, 1)):
            number = least(functools.partial(finds, school)) - less
            change(school, number)
            planted.append((code, school))
            added += number
        return added

    def in_district(self, code, schools, finds_there, change, added, finds, differ):
        """Changes as many in the district as the rule finds, or one less, at schools of which it finds
        none. `added` is how many were changed."""
        left = least(finds) - (not differ) - added
        room = [least(functools.partial(finds_there, school)) - 1 for school in schools]
        if left > sum(room) or (left < 0 and not differ):
            return
        for school, most in zip(schools, room):
            change(school, max(0, min(left, most)))
            left -= most
        (self.planted if differ else self.inside).append((code, self.district))

    # ---- Enrollment ----

    def plant_enrollment(self):
        main = [r for r in on_count_date(self.now["enrollment"])
                if r["enrollment_status"] == "PRIMARY"]
        members = students(main, "school_id")
        changed = self.plant_graduates(members)
        self.plant_dropouts()
        free = [school for school in self.schools(members) if school not in changed]
        at = grouped((r for r in on_count_date(self.tables["enrollment"])
                      if r["enrollment_status"] == "PRIMARY"), "school_id")
        twice = repeated(self.tables["enrollment"])
        self.at = {school: [r for r in at[school,] if r["student_uid"] not in twice]
                   for school in free}
        free.sort(key=lambda school: members[school,])
        small, large, rest = free[:2], free[2:][-2:], free[2:-2]
        self.plant_membership(small, large, members)
        self.plant_grades(rest, students(main, "school_id", "grade_level"))
        self.plant_ethnicities(free, rest)
        self.plant_not_back()

    def plant_membership(self, small, large, members):
        """There were fewer at small schools, where the number decides, and more at large ones, where
        the share does."""
        def add(school, number):
            rows = self.at[school]
            self.tables["enrollment"] += [dict(rows[n % len(rows)], student_uid=self.stranger())
                                          for n in range(number)]

        def remove(school, number):
            self.drop(school, {r["student_uid"] for r in evenly(self.at[school], number)})

        def finds(sign):
            return lambda school, n: off(members[school,], members[school,] + sign * n, 20, 25)

        self.at_two("ENR-022", [s for s in small if len(self.at[s]) > 60], finds(-1), remove)
        self.at_two("ENR-022", large, finds(1), add)

    def drop(self, school, gone):
        self.tables["enrollment"] = [r for r in self.tables["enrollment"] if
                                     r["school_id"] != school or r["student_uid"] not in gone]

    def plant_grades(self, schools, counts):
        """A grade was larger, by some of each other grade: by at most 26, or of so many that no other
        grade is found for what it lacked."""
        grades = {}
        for school in schools:
            of_school = Counter(r["grade_level"] for r in self.at[school])
            grades[school] = max(sorted(of_school), key=of_school.get, default="")

        def others(school):
            return [r for r in sorted(self.at[school], key=lambda r: r["grade_level"])
                    if r["grade_level"] != grades[school]]

        def finds(school, number):
            now = counts[school, grades[school]]
            return off(now, now + number, 20, 25)

        def change(school, number):
            for row in evenly(others(school), number):
                row["grade_level"] = grades[school]

        def suits(school):
            number = least(functools.partial(finds, school))
            return len(others(school)) >= number * (1 if number <= 26 else 7)

        self.at_two("ENR-022B", list(filter(suits, schools)), finds, change)

    def plant_ethnicities(self, schools, rest):
        """Some who are white were somebody else; where few students were, all."""
        heads, heads_then = (students(on_count_date(rows), "school_id") for rows in (
            self.now["enrollment"], self.tables["enrollment"]))

        def white(school):
            return [r for r in self.at[school] if r["race"] == "WHITE"
                    and r["hispanic_latino"] == "false"]

        def finds(school, number):
            return number * 100 > heads[school,] * 5

        def change(school, number):
            for row in evenly(white(school), number):
                row["race"] = "NATIVE_HAWAIIAN_OR_PACIFIC_ISLANDER"

        # From where one more than a twentieth is hardly more, to where a twentieth is just that.
        large = sorted((s for s in rest if heads[s,] >= 100 and len(white(s)) * 10 > heads[s,]),
                       key=lambda s: -(heads[s,] % 20))
        self.at_two("ENR-023", large[:1] + large[1:][-1:], finds, change)
        for school in schools:
            if min(heads[school,], heads_then[school,]) < 100:
                change(school, heads[school,])
                self.inside.append(("ENR-023", school))

    def plant_graduates(self, members):
        """The grade 12 was too small for the graduates of now, or just large enough; or it was there,
        and no graduates are. Returns the schools with other numbers of members."""
        now = self.now["enrollment"]
        graduates = students((r for r in now if r["exit_type"] == "GRADUATED"), "school_id")
        twelfth = grouped((r for r in self.tables["enrollment"] if r["grade_level"] == "12"),
                          "school_id")
        changed = set()
        for (school,), planted, peers in zip(
                sorted((s for s in graduates if graduates[s] > 1), key=lambda s: (members[s], s)),
                (self.planted, self.inside), (lambda n: (5 * n - 1) // 6, lambda n: -(-5 * n // 6))):
            who = sorted({r["student_uid"] for r in twelfth[school,]})
            number = peers(graduates[school,])
            if len(who) >= number:
                self.drop(school, set(who[number:]))
                planted.append(("ENR-024", school))
                changed.add(school)
        without = sorted(school for school, in members
                         if (school,) not in graduates and (school,) not in twelfth)
        ended = {r["school_id"] for r in now if r["exit_type"] == "END_OF_SCHOOL_YEAR"}
        for planted, schools in ((self.planted, [s for s in without if s in ended]),
                                 (self.inside, [s for s in without if s not in ended])):
            for school in schools[:2]:
                self.tables["enrollment"].append(dict(
                    self.row("enrollment"), student_uid=self.stranger(), school_id=school,
                    entry_date=f"{self.year - 1}-01-20", grade_level="12", race="WHITE",
                    hispanic_latino="false", enrollment_status="PRIMARY"))
                planted.append(("ENR-024", school))
        return changed

    def plant_dropouts(self):
        """A student dropped out where none does now; of some schools too few are in grades 9 to 12."""
        high = [r for r in self.now["enrollment"] if r["grade_level"] in state_oracle.HIGH_SCHOOL]
        ended = {r["school_id"] for r in high if r["exit_type"] == "GRADUATED"}
        lost = {r["school_id"] for r in high if r["exit_type"] == "DROPOUT"}
        then = grouped((r for r in self.tables["enrollment"] if r["exit_type"] == ""
                        and r["grade_level"] in state_oracle.HIGH_SCHOOL), "school_id")
        for (school,), count in sorted(students(high, "school_id").items()):
            if school in ended - lost and (school,) in then:
                row = self.rng.choice(then[school,])
                row.update(exit_type="DROPOUT", exit_date=f"{self.year - 1}-05-02")
                (self.planted if count >= 100 else self.inside).append(("ENR-025", school))

    def plant_not_back(self):
        """A student of a grade from which all go on has gone, and one of a school without these grades."""
        at = grouped(self.tables["enrollment"], "school_id")
        twice = repeated(self.tables["enrollment"])
        for planted, going_on in ((self.planted, True), (self.inside, False)):
            for school in self.schools(at):
                judged = [r for r in at[school,] if r["grade_level"] in ("07", "08", "09", "10", "11")]
                who = [r for r in (judged if going_on else at[school,])
                       if r["student_uid"] not in twice and not r["exit_type"]]
                if bool(judged) == going_on and who:
                    who[0]["student_uid"] = self.stranger()
                    planted.append(("ENR-018B", school))
                    break

    def row(self, dataset):
        return dict.fromkeys(COLUMNS[dataset], "") | {"school_year": str(self.year - 1)}

    # ---- The others ----

    def plant_attendance_summary(self):
        """Fewer days were attended at two schools, and others were chronically absent at two more."""
        at = grouped(self.tables["attendance_summary"], "school_id")
        schools = self.schools(at)
        expected = {s: sum(tenths(r["days_expected"]) for r in at[s,]) for s in schools}
        once = {s: [r for r in rows if r["student_uid"] not in twice] for s, rows, twice in (
            (s, at[s,], repeated(at[s,])) for s in schools)}
        pupils = {s: len({r["student_uid"] for r in at[s,]}) for s in schools}

        def be_absent(school, number):
            for row in at[school,]:
                some = min(number, tenths(row["days_present"]), 100)
                row["days_present"] = days(tenths(row["days_present"]) - some)
                number -= some

        def alike(school):
            """The larger part of the students: those who were chronically absent, or the others."""
            parts = grouped(once[school], "chronic_absent").values()
            return max(parts, key=len, default=[])

        def turn(school, number):
            for row in evenly(alike(school), number):
                row["chronic_absent"] = "false" if row["chronic_absent"] == "true" else "true"

        self.at_two("ATT-018", schools[:2], lambda school, n: n * 100 > expected[school] * 3,
                    be_absent)
        self.at_two("ATT-018", [s for s in schools[2:] if len(alike(s)) * 5 > pupils[s]],
                    lambda school, n: n * 100 > pupils[school] * 10, turn)

    def plant_behavior_action(self):
        """There were more suspensions, and in some districts some were expelled."""
        now = self.now["behavior_action"]
        at = grouped(now, "school_id")
        counts = Counter(a["school_id"] for a in now
                         if state_oracle.measure(a) == "SUSPENSIONS")
        schools = self.ends_first(at, counts)

        def more(action):
            def change(school, number):
                for _ in range(number):
                    student = self.rng.choice(at[school,])["student_uid"]
                    self.tables["behavior_action"].append(dict(
                        self.row("behavior_action"), incident_id=self.stranger(),
                        student_uid=student, action_id="1", school_id=school, action=action))
            return change

        def finds(school, number):
            return off(counts[school], counts[school] + number, 50, 20)

        added = self.at_two("DIS-021", schools[:2], finds, more("OSS"))
        if self.even:
            self.at_two("DIS-021", schools[2:4], lambda _, n: off(0, n, 50, 20),
                        more("EXPULSION_WITH_SERVICES"))
        total = sum(counts.values())
        self.in_district("DIS-021", schools[4:], finds, more("ISS"), added,
                         lambda n: off(total, total + n, 50, 20), self.even)

    def plant_special_education(self):
        heads, heads_then = (students(on_count_date(rows), "school_id") for rows in (
            self.now["enrollment"], self.tables["enrollment"]))
        self.plant_gone()
        counts = [Counter(school for school, _ in {
            (p["school_id"], p["student_uid"])
            for p in on_count_date(self.now["special_education"], "program_start", "program_exit")
            if p["program"] == program}) for program in ("IDEA_B", "S504")]
        served, planned = counts

        def more(program):
            def change(school, number):
                self.tables["special_education"] += [dict(
                    self.row("special_education"), student_uid=self.stranger(), program=program,
                    program_start=f"{self.year - 3}-09-10", program_exit=f"{self.year - 1}-05-20",
                    school_id=school) for _ in range(number)]
            return change

        def finds(school, number):
            return off(served[school], served[school] + number, 15, 10)

        schools = self.ends_first(heads, served)
        added = self.at_two("SPE-021", schools, finds, more("IDEA_B"))
        total = sum(served.values())
        self.in_district("SPE-021", schools[2:], finds, more("IDEA_B"), added,
                         lambda n: off(total, total + n, 15, 10), self.even)
        both = heads.keys() & heads_then.keys()
        schools = self.ends_first(both, planned)

        def finds_share(school, number):
            return share_off(planned[school], heads[school,], planned[school] + number,
                             heads_then[school,])

        total, of, of_then = (sum(planned[school] for (school,) in both),
                              sum(heads[key] for key in both), sum(heads_then[key] for key in both))
        added = sum(self.at_two("S504-004", two, finds_share, more("S504"))
                    for two in (schools[:2], schools[2:3] + schools[3:][-1:]))
        self.in_district("S504-004", schools[3:-1], finds_share, more("S504"), added,
                         lambda n: share_off(total, of, total + n, of_then), not self.even)

    def plant_gone(self):
        """Of some who were in special education nobody says how it went on; of others an exit is
        known, or they began too late to be counted."""
        rows = self.tables["special_education"]
        twice, day = repeated(rows), f"{self.year - 2}-10-01"
        counted = [r for r in rows if r["program"] == "IDEA_B" and not r["program_exit"]
                   and r["program_start"] <= day and r["student_uid"] not in twice]
        known = {p["student_uid"] for p in self.now["special_education"]}
        twice = repeated(self.now["enrollment"])
        others = grouped((r for r in on_count_date(self.now["enrollment"])
                          if r["student_uid"] not in known | twice), "school_id")
        for rows in others.values():
            self.rng.shuffle(rows)
        chosen = self.rng.sample(counted, min(len(counted), 3 * min(self.quota,
                                                                    1 + len(counted) // 20)))
        places = set()
        for row in chosen[::3]:
            row["student_uid"] = self.stranger()
            places.add(row["school_id"])
        for rows, planted, left in ((chosen[1::3], self.planted, ""),
                                    (chosen[2::3], self.inside, f"{self.year - 1}-05-20")):
            for row in rows:
                if others[row["school_id"],]:
                    here = others[row["school_id"],].pop()
                    row.update(student_uid=here["student_uid"], program_exit=left)
                    planted.append(("SPE-016", oracle.record_key("enrollment", here)))
        self.planted += [("SPE-016B", school) for school in sorted(places)]
        late = dict(self.row("special_education"), program="IDEA_B",
                    program_start=f"{self.year - 2}-10-02")
        for school in self.schools(others)[:2]:
            here = others[school,].pop() if others[school,] else None
            if here:
                self.tables["special_education"].append(dict(
                    late, student_uid=here["student_uid"], school_id=school))
                self.inside.append(("SPE-016", oracle.record_key("enrollment", here)))
            self.tables["special_education"].append(dict(
                late, student_uid=self.stranger(), school_id=school))
            if school not in places:
                self.inside.append(("SPE-016B", school))
