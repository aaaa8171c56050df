"""The methods of the built-in tasks, for tests that need no registry of their own."""

import zoo
from zoo.models.guarded_task import load_task

TASKS = {name: load_task(task) for name, task in zoo.create_registry().tasks.items()}
