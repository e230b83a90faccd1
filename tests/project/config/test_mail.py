"""Mail URLs. test_environment.py tests invalid URLs."""

from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.config.mail import mail


def test_mail_server() -> None:
    config = mail("smtp://ann:pass@mail.example:2525")
    assert config["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (config["EMAIL_HOST"], config["EMAIL_PORT"]) == ("mail.example", 2525)
    assert config["EMAIL_HOST_USER"] == "ann"


def test_console() -> None:
    assert mail("console://")["EMAIL_BACKEND"].endswith("console.EmailBackend")


@pytest.mark.parametrize("url", ["file:///var/mail%20box", "file:////var/mail box"])
def test_folder(url: str) -> None:
    config = mail(url)
    assert config["EMAIL_BACKEND"].endswith("filebased.EmailBackend")
    assert Path(config["EMAIL_FILE_PATH"]).resolve() == Path("/var/mail box").resolve()


@pytest.mark.parametrize("character", "#/?[]")
def test_a_password_must_be_percent_encoded(character: str) -> None:
    with pytest.raises(Misconfigured, match=r"EMAIL_URL .*percent-encode") as caught:
        mail(f"smtp://ann:hid{character}den@mail.example:587")
    assert "hid" not in str(caught.value)
