from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cdc", "0006_daemon_errors"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="epoch",
            index=models.Index(fields=["value"], name="cdc_epoch_value"),
        ),
    ]
