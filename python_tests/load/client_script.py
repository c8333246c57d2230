"""Run by a Python that has the platform's clients: sends an event, makes answers by their models, fetches.

Arguments: answers (JSON file: collection to records; the records are replaced by what the models make of
them), folder to fetch to, since or an empty text. Where the platform is, is in the environment.
"""

import asyncio
import json
import sys
from pathlib import Path

from timeback_caliper import CaliperClient
from timeback_caliper.types.timeback import (
    ActivityCompletedInput,
    TimebackActivityContext,
    TimebackActivityMetric,
    TimebackApp,
    TimebackUser,
)
from timeback_oneroster.types.assessment import AssessmentResult
from timeback_oneroster.types.resources import ComponentResource, CourseComponent
from timeback_oneroster.types.rostering import Class, Course, Enrollment, Organization, User

from timeback_analytics.platform_api import fetch

MODELS = {
    "orgs": Organization,
    "users": User,
    "courses": Course,
    "classes": Class,
    "enrollments": Enrollment,
    "courseComponents": CourseComponent,
    "componentResources": ComponentResource,
    "assessmentResults": AssessmentResult,
}


async def send(user_id: str) -> None:
    """An activity with XP, as an application sends it."""
    async with CaliperClient() as client:
        await client.events.send_activity(
            "https://math.example/sensor",
            ActivityCompletedInput(
                actor=TimebackUser(id=f"https://api.example/users/{user_id}", email="ada@school.example"),
                object=TimebackActivityContext(
                    id="https://math.example/activities/1", subject="Math", app=TimebackApp(name="Math")
                ),
                metrics=[
                    TimebackActivityMetric(type="xpEarned", value=12.5),
                    TimebackActivityMetric(type="totalQuestions", value=10),
                ],
                event_time="2026-01-05T10:00:00.000Z",
            ),
        )


def main() -> None:
    answers_file, folder, since, user_id = sys.argv[1:]
    if user_id:
        asyncio.run(send(user_id))
    answers = json.loads(Path(answers_file).read_text())
    for name, model in MODELS.items():
        answers[name] = [
            model(**record).model_dump(by_alias=True, mode="json") for record in answers.get(name, [])
        ]
    Path(answers_file).write_text(json.dumps(answers))
    print(json.dumps(fetch(Path(folder), since or None)))


main()
