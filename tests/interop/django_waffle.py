"""What django-waffle says: a fixture of random flags, and what each is for some users.

Prints one JSON object: `fixture` is what `manage.py dumpdata` writes, and each of `answers` has a flag, a
context as flagstaff takes it, and whether waffle says that the flag is on.
"""

import io
import json
import random

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "waffle"],
    # What was asked for before is in no cache.
    CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}},
    SECRET_KEY="x",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import AnonymousUser, Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from waffle.models import Flag, Sample, Switch  # noqa: E402

call_command("migrate", verbosity=0)
draw = random.Random(1)
groups = [Group.objects.create(name=name) for name in ("beta", "staff")]
users = [
    User.objects.create(
        username=f"user {number}",
        is_staff=draw.random() < 0.3,
        is_superuser=draw.random() < 0.3,
    )
    for number in range(12)
]
for user in users:
    user.groups.set(draw.sample(groups, draw.randrange(3)))

for number in range(100):
    flag = Flag.objects.create(
        name=f"flag-{number}",
        everyone=draw.choice([None, None, None, True, False]),
        # Any other share is drawn by chance there.
        percent=draw.choice([None, "0.0"]),
        superusers=draw.random() < 0.5,
        staff=draw.random() < 0.3,
        authenticated=draw.random() < 0.2,
        languages=draw.choice(["", "", "en", "de, pt-br", " , "]),
        testing=draw.random() < 0.3,
        rollout=draw.random() < 0.3,
        note=draw.choice(["", 'Say "hi"\n\\']),
    )
    flag.users.set(draw.sample(users, draw.choice([0, 0, 1, 3])))
    flag.groups.set(draw.sample(groups, draw.choice([0, 0, 1])))
for number in range(4):
    Switch.objects.create(name=f"switch-{number}", active=number % 2 == 0)
for percent in ("0.0", "100.0"):
    Sample.objects.create(name=f"sample-{percent}", percent=percent)

answers = []
for user in [AnonymousUser(), *users]:
    for language in ("en", "fr", "pt-br"):
        request = RequestFactory().get("/")
        request.user, request.LANGUAGE_CODE = user, language
        context = {
            "groups": [group.name for group in user.groups.all()],
            "is_authenticated": user.is_authenticated,
            "is_staff": user.is_staff,
            "is_superuser": user.is_superuser,
            "language": language,
        }
        if user.is_authenticated:
            context["targetingKey"] = user.username
        for flag in Flag.objects.all():
            answers.append([flag.name, context, bool(flag.is_active(request))])
for row in [*Switch.objects.all(), *Sample.objects.all()]:
    answers.append([row.name, {}, row.is_active()])

fixture = io.StringIO()
call_command("dumpdata", "waffle", "--natural-primary", "--natural-foreign", stdout=fixture)
print(json.dumps({"fixture": fixture.getvalue(), "answers": answers}))
