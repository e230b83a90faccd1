"""Writes the generated documentation: `python -m tests.docs`."""

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    os.environ.setdefault("DJANGO_SECRET_KEY", "documentation")
    django.setup()
    # The documented code can be imported only after Django is set up.
    from tests.docs.generated import GENERATED

    for file, make in GENERATED.items():
        file.write_text(make())
        print(file)  # noqa: T201 -- the output of a command
