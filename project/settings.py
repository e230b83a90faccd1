"""Django's settings, derived from one validated environment."""

import os
import sys
from datetime import timedelta

import django_stubs_ext
from csp.constants import NONE, SELF

from project.config.databases import database
from project.config.environment import BASE_DIR, load_environment
from project.config.logs import logging_config
from project.config.mail import mail

# Makes Django's fields and managers subscriptable for type annotations.
django_stubs_ext.monkeypatch()

ENVIRONMENT = load_environment(os.environ)

SECRET_KEY = ENVIRONMENT.secret_key
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.csrf_trusted_origins)
COMMAND = sys.argv[1] if len(sys.argv) > 1 else "web"

CDC = ENVIRONMENT.cdc

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "crispy_forms",
    "crispy_bootstrap5",
    "bootstrap",
    "django_htmx",
    "lucide",
    "project",
    "users",
    "stories",
    "cdc",
    "cdc.canary",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "project.http.headers.DefaultHeadersMiddleware",
    "project.http.limits.limit_addresses",
    "project.http.odd_requests.OddRequestsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "project.http.compression.PageCompressionMiddleware",
    "project.http.headers.SessionCookieMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "project.http.health.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "cdc.middleware.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "project.pages.lost_access.LostAccessMiddleware",
    "project.http.refusals.RefusalMiddleware",
    # AxesMiddleware must be last, because it replaces the response of the view if an account is
    # locked.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database(ENVIRONMENT.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "users.User"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# A lock applies only to the network from which the logins failed, so that an attacker cannot lock
# out the owner of the account. Attempts during a lock do not extend the lock.
AXES_FAILURE_LIMIT = "users.lockout.failure_limit"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "users.lockout.login_name"
AXES_LOCKOUT_CALLABLE = "users.lockout.locked"
AXES_CLIENT_IP_CALLABLE = "users.client_address.client_network"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
PASSWORD_HASHERS = [
    "project.config.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
    {"NAME": "users.validators.MaximumLengthValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = ["project.formats"]

STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.home / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "project.http.static_files.StaticFiles"},
}
WHITENOISE_USE_FINDERS = DEBUG
FILE_UPLOAD_HANDLERS = ["project.http.limits.NoUploads"]

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# In seconds. Without a timeout, an unresponsive mail server would block all mail.
EMAIL_TIMEOUT = 10
vars().update(mail(ENVIRONMENT.email_url))
DEFAULT_FROM_EMAIL = ENVIRONMENT.default_from_email

X_FRAME_OPTIONS = "DENY"
# The policy allows no inline content and no content from other sites. The images in Bootstrap's
# styles are `data:` URLs.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "worker-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
# In seconds. A session ends twelve hours after the login.
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# Plain HTTP is allowed only on loopback and for debugging (docs/decisions/0006).
HTTPS = not DEBUG and not ENVIRONMENT.on_loopback
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Probes and scrapers call the process directly, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SILENCED_SYSTEM_CHECKS = [] if HTTPS else [f"security.W{n}" for n in ("004", "008", "012", "016")]

LOGGING = logging_config(level=ENVIRONMENT.log_level, form=ENVIRONMENT.log_format)
