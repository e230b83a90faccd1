"""Also count attempts other than requests for reset links, and validate e-mail addresses."""

from django.db import migrations, models

import users.fields
import users.validators


class Migration(migrations.Migration):
    dependencies = [("users", "0004_reset_requests")]

    operations = [
        migrations.AddField(
            model_name="resetrequest",
            name="purpose",
            field=models.CharField(default="reset", max_length=12),
        ),
        migrations.AlterField(
            model_name="user",
            name="email",
            field=users.fields.LoginEmailField(
                max_length=254,
                unique=True,
                validators=[users.validators.validate_address],
                verbose_name="e-mail address",
            ),
        ),
    ]
