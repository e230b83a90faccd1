from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cdc", "0004_operations"),
    ]

    operations = [
        migrations.AddField(
            model_name="relaylease",
            name="mark",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
