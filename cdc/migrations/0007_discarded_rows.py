from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cdc", "0006_daemon_errors"),
    ]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="may_differ",
            field=models.BooleanField(db_default=False, db_index=True, default=False),
        ),
    ]
