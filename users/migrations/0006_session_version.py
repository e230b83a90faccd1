"""Add a version of an account's sessions; deactivating the account raises the version."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0005_limited_attempts")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="session_version",
            field=models.PositiveIntegerField(default=0, db_default=0, editable=False),
        ),
    ]
