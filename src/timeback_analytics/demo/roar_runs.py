"""ROAR's tasks with their variants, and runs of a task with the trials in them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from timeback_analytics.demo.firestore import Document, firestore_id, iso, timestamp
from timeback_analytics.demo.ids import between, normal, pick, share

AUTUMN = datetime(2025, 9, 15, 15, tzinfo=UTC)
TASKS = {
    "swr": ("ROAR-Word", "Rapid recognition of single words", "word"),
    "pa": ("ROAR-Phoneme", "Awareness of the sounds in words", "sound"),
    "sre": ("ROAR-Sentence", "Reading sentences for meaning against the clock", "sentence"),
}
_WORDS = ("cat", "ship", "garden", "whisper", "cloud", "planet", "basket", "thunder", "river", "candle")
_PSEUDOWORDS = (
    "clat",
    "shap",
    "gurden",
    "whesper",
    "cload",
    "plinet",
    "bosket",
    "thander",
    "riber",
    "cundle",
)
_PRACTICE, _TEST = 4, 12


def task_documents() -> Iterator[tuple[str, Document]]:
    """(path, fields) of each task and each of its variants."""
    for task, (name, description, _) in TASKS.items():
        yield (
            f"tasks/{task}",
            {
                "name": name,
                "description": description,
                "image": f"https://images.example.org/{task}.png",
                "registered": task != "sre",
                "lastUpdated": iso(AUTUMN),
            },
        )
        for mode in ("shortAdaptive", "fullRandom"):
            # both spellings of the collection occur
            collection = "task" if (task, mode) == ("pa", "fullRandom") else "tasks"
            yield (
                f"{collection}/{task}/variants/{variant_id(task, mode)}",
                {
                    "name": f"{task}-{mode}",
                    "lastUpdated": timestamp(AUTUMN),
                    "params": {
                        "audioFeedback": "neutral",
                        "buttonLayout": "default",
                        "consent": mode == "fullRandom",
                        "numberOfTrials": _TEST,
                        "practiceCorpus": f"{task}-practice",
                        "recruitment": "school",
                        "sequentialOrder": mode == "fullRandom",
                        "skipInstructions": False,
                        "stimulusCorpus": f"{task}-items",
                        "userMode": mode,
                    },
                },
            )


def variant_id(task: str, mode: str) -> str:
    """The id of the variant of a task that runs in a mode."""
    return firestore_id("variant", task, mode)


def mode_of(key: str, task: str) -> str:
    """The mode in which somebody does a task."""
    return pick(("shortAdaptive", "fullRandom"), "mode", key, task)


def run_documents(owner: str, key: str, task: str, district_id: str | None) -> Iterator[tuple[str, Document]]:
    """A run with its trials, and the counts of the trials in it; one in eight was left unfinished."""
    run_id = firestore_id("run", owner, task)
    started = AUTUMN + timedelta(days=30, minutes=between(0, 20_000, "started", key, task))
    is_finished = share("finished", key, task) >= 0.125
    skill = normal(0, 1, "skill", key)
    counts = {"practice": [0, 0], "test": [0, 0]}
    trials = []
    elapsed = 15_000.0
    for number in range(_PRACTICE + (_TEST if is_finished else between(0, _TEST - 1, "left", key, task))):
        stage = "practice" if number < _PRACTICE else "test"
        is_correct = share("correct", key, task, number) < 0.75 + skill / 8
        rt = round(max(180.0, normal(900 - 120 * skill, 250, "rt", key, task, number)), 1)
        elapsed += rt + 600
        counts[stage][0] += 1
        counts[stage][1] += is_correct
        path = f"{owner}/runs/{run_id}/trials/{firestore_id('trial', owner, task, number)}"
        trials.append((path, _trial(key, task, number, stage, is_correct, rt, started, elapsed)))
    is_estimated = is_finished and mode_of(key, task) == "shortAdaptive"
    raw = {
        stage: _raw_scores(attempted, correct, skill if is_estimated and stage == "test" else None)
        for stage, (attempted, correct) in counts.items()
    }
    yield (
        f"{owner}/runs/{run_id}",
        {
            "id": run_id,
            "taskId": task,
            "variantId": variant_id(task, mode_of(key, task)),
            "assignmentId": firestore_id("assignment", district_id, task) if district_id else None,
            "assigningOrgs": {"districts": [district_id]} if district_id else None,
            "timeStarted": iso(started),
            "timeFinished": iso(started + timedelta(milliseconds=elapsed)) if is_finished else None,
            "completed": is_finished,
            "scores": {
                "computed": {"composite": round(500 + 80 * skill)} if is_finished else {},
                "raw": {"composite": raw},
            },
        },
    )
    yield from trials


def _trial(
    key: str,
    task: str,
    number: int,
    stage: str,
    is_correct: bool,
    rt: float,
    started: datetime,
    elapsed: float,
) -> Document:
    """A trial that was answered `elapsed` milliseconds after the start of the run, in `rt` milliseconds."""
    answer = number % len(_WORDS)
    is_real = share("real", task, number) < 0.5
    moment = started + timedelta(milliseconds=elapsed)
    return {
        "assessment_stage": f"{stage}_response",
        "block": 1 + (number - _PRACTICE) // 6 if stage == "test" else 0,
        "trial_index": 5 + 2 * number,
        "trialNumBlock": number % 6 + 1,
        "trialNumTotal": number + 1,
        "trial_type": "html-keyboard-response",
        "itemSource": f"{task}-items",
        "itemType": "realword" if is_real else "pseudoword",
        "numAFC": 2,
        "stimulus": (_WORDS if is_real else _PSEUDOWORDS)[answer],
        "stimulusRule": "as it is" if is_real else "one letter changed",
        "targetWord": _WORDS[answer],
        "answerWord": "real" if is_real else "made up",
        "options": {"0": "made up", "1": "real"},
        "correctSide": int(is_real),
        "response": "ArrowRight" if is_real == is_correct else "ArrowLeft",
        "correct": int(is_correct),
        "rt": rt,
        "replay": between(0, 2, "replay", key, task, number) if task == "pa" else 0,
        "time_elapsed": round(elapsed, 1),
        "start_time": started.strftime("%H:%M:%S"),
        "start_time_unix": int(moment.timestamp()),
        "serverTimestamp": timestamp(moment + timedelta(milliseconds=85)),
        "pid": key.replace(" ", "-").lower(),
        "internal_node_id": f"0.0-{5 + number}.0",
        "save_trial": True,
    }


def _raw_scores(attempted: int, correct: int, skill: float | None) -> Document:
    """The counts of one stage, and the estimate of the skill where there is one."""
    return {
        "numAttempted": attempted,
        "numCorrect": correct,
        "numIncorrect": attempted - correct,
        "thetaEstimate": None if skill is None else round(skill, 3),
        "thetaSE": None if skill is None else 0.35,
    }
