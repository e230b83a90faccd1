from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("canary", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="canarytrip",
            name="started_at",
            field=models.DateTimeField(null=True),
        ),
    ]
