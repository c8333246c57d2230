"""The curriculum: subjects, courses, units, lessons, topics, tests, questions, and what is part of what.

Mathematics and its neighbours come from OATutor (course, chapter = unit, lesson, heading = topic, problem =
test, step = question), the sciences from a gradebook's items (section's course, unit number = unit, item =
test), and one course, Learning Analytics, from what a Moodle log's students visited.
Both forms of id that real platforms have occur: UUIDs, and persistent URLs.
"""

import re
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from timeback_analytics.demo.ids import uid
from timeback_analytics.demo.rows import OperationalRows
from timeback_analytics.demo.source_files import demo_dir, read_csv

# OATutor groups its courses by publisher alone; which subject one teaches is said here.
_SUBJECT_WORDS = {
    "Statistics": ("Stat", "Data 8"),
    "Physics": ("Physics",),
    "Chemistry": ("Chemistry",),
}
_GRADEBOOK_COURSES = {
    "AnPhA": "Anatomy and Physiology, Semester A",
    "BioA": "Biology, Semester A",
    "FrScA": "Forensic Science, Semester A",
    "OcnA": "Oceanography, Semester A",
    "PhysA": "Physics, Semester A",
}
# The course whose problems OATutor's cut has.
TAUGHT_COURSE = "OpenStax: Elementary Algebra"
# The mathematics courses of the district's high schools, taught from these OATutor courses.
_ROSTER_COURSES = {
    "Mathematics 09": TAUGHT_COURSE,
    "Mathematics 10": "OpenStax: Intermediate Algebra",
    "Mathematics 11": "OpenStax: Pre-Calculus",
    "Mathematics 12": "OpenStax: Calculus Volume 1",
}
# As the log numbers it.
MOODLE_COURSE_ID = "https://moodle.example.org/course/3621691"
_MOODLE_COURSE = "Learning Analytics"
_MOODLE_UNITS = {
    "Applications": "Applications",
    "Assignment": "Assignments",
    "Ethics": "Ethics",
    "Feedback": "Feedback",
    "General": "Introduction",
    "Group_work": "Group work",
    "Instructions": "Instructions",
    "La_types": "Kinds of learning analytics",
    "Practicals": "Practicals",
    "Theory": "Theory",
}
_TEST_KINDS = ("Assignment", "Quiz")
# Anything else (labels, the course page, the students' own forum) is not a learning resource.
_LESSON_KINDS = ("File", "Folder", "Forum", "Page", "URL", "Wiki", "Zoom meeting")


@dataclass(frozen=True)
class Question:
    """A question of OATutor with its place: ids of the question, its test and its lesson."""

    id: str
    test_id: str
    lesson_id: str


@dataclass
class Curriculum:
    """What later parts of the demo attempt.

    Attributes:
        questions: OATutor's questions by the number of their chapter, in the order in which they are taught.
        gradebook_tests: test id by gradebook course (AnPhA) and item.
        moodle_resources: resource id by context of the Moodle log ("Page: Objectives of the first week").
        titles: title by resource id, of the resources that have one.
    """

    questions: dict[int, list[Question]] = field(default_factory=dict)
    gradebook_tests: dict[tuple[str, str], str] = field(default_factory=dict)
    moodle_resources: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)


def is_moodle_test(context: str) -> bool:
    """Whether a context of the Moodle log is graded work."""
    return context.split(":")[0] in _TEST_KINDS


def add_curriculum(conn: psycopg.Connection, schema: str, rows: OperationalRows) -> Curriculum:
    """Add the whole curriculum; the rosters must be in the schema already."""
    builder = _Builder(rows)
    builder.add_oatutor()
    builder.add_gradebook_courses()
    builder.add_moodle_course()
    builder.add_roster_courses(_roster_courses(conn, schema))
    return builder.curriculum


def lesson_title(lesson: str, topic: str) -> str:
    """OATutor's list cuts a lesson's title at its second space; this puts it together again."""
    return f"{lesson} {topic}".strip()


def lesson_id(oatutor_id: str) -> str:
    """The id of a lesson of OATutor."""
    return str(uid("lesson", oatutor_id))


def chapter_of(lesson: str) -> str | None:
    """The number of a lesson's chapter, as in "Lesson 6.3" or "Lesson A1.1.2"; None where it has none."""
    match = re.fullmatch(r"Lesson (\w+(?:\.\w+)*)\.\w+", lesson)
    return match[1] if match else None


def subject_of(course: str) -> str:
    """The subject that a course of OATutor teaches, Mathematics where nothing else is said."""
    for subject, words in _SUBJECT_WORDS.items():
        if any(word in course for word in words):
            return subject
    return "Mathematics"


def _roster_courses(conn: psycopg.Connection, schema: str) -> dict[str, str]:
    statement = sql.SQL("select title, min(id::text) from {} where title = any(%s) group by title")
    table = sql.Identifier(schema, "one_roster_course")
    return dict(conn.execute(statement.format(table), [list(_ROSTER_COURSES)]).fetchall())


class _Builder:
    def __init__(self, rows: OperationalRows) -> None:
        self._rows = rows
        self.curriculum = Curriculum()

    def add_oatutor(self) -> None:
        folder = demo_dir() / "oatutor"
        courses: dict[str, str] = {}
        lessons: set[str] = set()
        unit_sizes: dict[str, int] = {}
        course_sizes: dict[str, int] = {}
        chapters: dict[str, int] = {}
        for line in read_csv(folder / "lessons.csv"):
            course, order = line["course"], int(line["lesson_order"])
            if course not in courses:
                subject = self._subject(subject_of(course))
                courses[course] = self._resource("course", str(uid("course", course)), course)
                self._part_of(courses[course], subject, int(line["course_order"]))
            this_lesson = lesson_id(line["lesson_id"])
            if this_lesson not in lessons:
                lessons.add(this_lesson)
                self._resource("lesson", this_lesson, lesson_title(line["lesson"], line["topic"]))
            self._part_of(this_lesson, courses[course], order)
            chapter = chapter_of(line["lesson"])
            if chapter is None:
                continue
            unit = str(uid("unit", course, chapter))
            if unit not in unit_sizes:
                unit_sizes[unit] = 0
                self._resource("unit", unit, f"{course}, chapter {chapter}")
                self._part_of(unit, courses[course], course_sizes.setdefault(course, 0))
                course_sizes[course] += 1
            self._part_of(this_lesson, unit, unit_sizes[unit])
            unit_sizes[unit] += 1
            if course == TAUGHT_COURSE:
                chapters[this_lesson] = int(chapter)

        self._add_problems(chapters)

    def _add_problems(self, chapters: dict[str, int]) -> None:
        folder = demo_dir() / "oatutor"
        steps: dict[str, list[dict[str, str]]] = {}
        for step in read_csv(folder / "steps.csv"):
            steps.setdefault(step["problem_id"], []).append(step)
        topic_sizes: dict[str, int] = {}
        lesson_sizes: dict[str, int] = {}
        taught: dict[int, list[tuple[int, Question]]] = {}
        lesson_places = {lesson: place for place, lesson in enumerate(chapters)}
        for problem in read_csv(folder / "problems.csv"):
            lesson = lesson_id(problem["lesson_id"])
            title = problem["title"].strip() or None
            test = f"https://oatutor.example.org/problems/{problem['problem_id']}"
            self._test(test, title)
            place = lesson_sizes[lesson] = lesson_sizes.get(lesson, -1) + 1
            self._part_of(test, lesson, place)
            if title:
                topic = str(uid("topic", lesson, title))
                if topic not in topic_sizes:
                    topic_sizes[topic] = 0
                    self._resource("topic", topic, title)
                    self._part_of(topic, lesson, None)
                self._part_of(test, topic, topic_sizes[topic])
                topic_sizes[topic] += 1
            for number, step in enumerate(steps[problem["problem_id"]]):
                question = str(uid("question", step["step_id"]))
                self._rows.add(
                    "caliper_assessment_item",
                    id=question,
                    name=step["step_title"] or None,
                    media_type=step["problem_type"],
                )
                self._part_of(question, test, number)
                taught.setdefault(chapters[lesson], []).append(
                    (lesson_places[lesson], Question(question, test, lesson))
                )
        for chapter in sorted(taught):
            in_order = sorted(taught[chapter], key=lambda entry: entry[0])
            self.curriculum.questions[chapter] = [question for _, question in in_order]

    def add_gradebook_courses(self) -> None:
        subject = self._subject("Science")
        units: set[str] = set()
        for line in read_csv(demo_dir() / "dataedu" / "course_data.csv"):
            course, item = line["CourseSectionOrigID"].split("-")[0], line["Gradebook_Item"]
            if (course, item) in self.curriculum.gradebook_tests:
                continue
            course_id = str(uid("course", course))
            if course_id not in self.curriculum.titles:
                self._resource("course", course_id, _GRADEBOOK_COURSES[course])
                self._part_of(course_id, subject, None)
            test = str(uid("test", course, item))
            self.curriculum.gradebook_tests[course, item] = test
            self._test(test, item)
            number = re.search(r"\d+", item)
            if not number:
                self._part_of(test, course_id, None)
                continue
            unit = str(uid("unit", course, int(number[0])))
            if unit not in units:
                units.add(unit)
                self._resource("unit", unit, f"Unit {int(number[0])}")
                self._part_of(unit, course_id, int(number[0]))
            self._part_of(test, unit, None)

    def add_moodle_course(self) -> None:
        subject = self._subject("Data Science")
        base = MOODLE_COURSE_ID
        course = self._resource("course", base, _MOODLE_COURSE)
        self._part_of(course, subject, 0)
        visited: dict[str, set[str]] = {}
        for line in read_csv(demo_dir() / "la_course" / "events.csv"):
            visited.setdefault(line["Event.context"], set()).add(line["Action"])
        for order, (action, title) in enumerate(_MOODLE_UNITS.items()):
            self._part_of(self._resource("unit", f"{base}/section/{action}", title), course, order)
        for order, context in enumerate(sorted(visited)):
            kind, _, title = context.partition(":")
            if kind not in (*_TEST_KINDS, *_LESSON_KINDS) or visited[context] <= {"Social", "Course_view"}:
                continue
            resource = f"{base}/{kind.lower().replace(' ', '-')}/{order}"
            if kind in _TEST_KINDS:
                self._test(resource, title.strip())
            else:
                self._resource("lesson", resource, title.strip())
            self.curriculum.moodle_resources[context] = resource
            for action in sorted(visited[context] & _MOODLE_UNITS.keys()):
                self._part_of(resource, f"{base}/section/{action}", order)

    def add_roster_courses(self, roster_courses: dict[str, str]) -> None:
        """The same course under the roster's id, so that Classes and enrollments resolve to the curriculum.

        Its units are the OATutor course's, each of which thereby belongs to two courses.
        """
        units = {title: unit for unit, title in self.curriculum.titles.items() if ", chapter " in title}
        for title, oatutor_course in _ROSTER_COURSES.items():
            if title not in roster_courses:
                continue
            course = self._resource("course", roster_courses[title], f"{title} ({oatutor_course})")
            self._part_of(course, self._subject("Mathematics"), 100)
            taught = [unit for name, unit in units.items() if name.startswith(f"{oatutor_course}, chapter ")]
            for order, unit in enumerate(taught):
                self._part_of(unit, course, order)

    def _subject(self, title: str) -> str:
        subject = str(uid("subject", title))
        if subject not in self.curriculum.titles:
            self._resource("subject", subject, title)
        return subject

    def _resource(self, kind: str, resource: str, name: str) -> str:
        self._rows.add(
            "caliper_assignable_digital_resource", id=resource, name=name, media_type=f"curriculum/{kind}"
        )
        self.curriculum.titles[resource] = name
        return resource

    def _test(self, test: str, name: str | None) -> None:
        self._rows.add("caliper_assessment", id=test, name=name)
        if name:
            self.curriculum.titles[test] = name

    def _part_of(self, part: str, whole: str, order: int | None) -> None:
        self._rows.add(
            "caliper_resource_relation",
            source_id=part,
            destination_id=whole,
            relationship_type="isPartOf",
            item_order=order,
        )
