"""Mail URLs. test_environment.py tests invalid URLs."""

from project.config.mail import mail


def test_mail_server() -> None:
    config = mail("smtp://ann:pass@mail.example:2525")
    assert config["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (config["EMAIL_HOST"], config["EMAIL_PORT"]) == ("mail.example", 2525)
    assert config["EMAIL_HOST_USER"] == "ann"


def test_console() -> None:
    assert mail("console://")["EMAIL_BACKEND"].endswith("console.EmailBackend")
