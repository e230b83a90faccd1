"""Hostile requests: values that a form, a URL, a header or a cookie could contain."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

_NUMBERS = (
    *("0", "-1", "-0", "1.5", "1e9", "1e400", "nan", "Infinity", "-Infinity", "0x10", " 7 ", "٣"),
    *("2147483648", "4294967296", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551616", "-9223372036854775809", "9" * 4_301, "9" * 5_000, "1_000"),
)
_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\ud800",
        "a\udfffb",
        "☃😀",
        "\U0001d4b3" * 300,
        "x" * 5_000,
        "\u202e",
    ),
    *("%", "_", "\\", "'", '"', "`", "<script>", "{{ 7 }}", "%s", "%(a)s", "{0}", "\r\nX: 1"),
    *("../../etc/passwd", "//example.org/", "http://[", "https://a.example/\0", "javascript:1"),
    *("a@b.example", "A@B.EXAMPLE", "a" * 300 + "@b.example", "İ" * 250 + "@b.example", "@"),
    *("on", "true", "None", "null", "1,2", "1.2.-3", ".", "-", "e30", "İSTANBUL", "\ufeff"),
)
_JSON = (
    *(
        "{",
        "[]",
        "{}",
        "null",
        "true",
        "1",
        '""',
        '"\\ud800"',
        '{"\\ud800": 1}',
        '{"a": "\\u0000"}',
    ),
    *('{"\\u0000": 1}', "NaN", "[NaN]", '{"a": Infinity}', '{"a": -Infinity}', '{"a": 1e999}'),
    *('{"a": 1, "a": 2}', '{"a": ' + "9" * 5_000 + "}", '{"a": 9223372036854775808}'),
    *("[" * 100_000, '{"a":' * 100_000, "[" * 90 + "]" * 90, "[" * 900 + "]" * 900),
    *('{"$where": 1}', '{"_id": {"a.b": 1}}', '{"": ""}', '"' + "x" * 70_000 + '"', "[[]]"),
)
_MOMENTS = (
    *("0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2024-02-30", "1900-01-01"),
    *("0001-01-01 00:00:00+23:59", "9999-12-31 23:59:59-23:59", "2024-01-01T25:00", "24:00:00"),
    *("23:59:60", "00:00:00.123456789", "2024-13-01", "2024-1-1", "-1-1-1", "12", "99999"),
)
VALUES = (*_NUMBERS, *_TEXTS, *_JSON, *_MOMENTS)
_LOOKUPS = (
    *("", "__exact", "__in", "__gte", "__lt", "__isnull", "__year", "__month", "__day", "__range"),
    *("__contains", "__regex", "__id__exact", "__date", "__week_day", "__name", "__nothing"),
)
_COLUMNS = (
    *("id", "pk", "status", "media", "submit_date", "promote_date", "submitted_by", "container"),
    *("email", "user_type", "is_active", "date_joined", "password", "groups", "created_at"),
    *("topic", "group", "table", "offset", "at", "what", "op", "name", "user", "username"),
)
_PARAMETERS = (
    *("q", "o", "p", "e", "all", "_facets", "_popup", "_to_field", "_changelist_filters", "next"),
    *("page", "time", "partition", "offset", "before", "after", "story", "field", "topic", "who"),
    *("app_label", "model_name", "field_name", "term", "_saveasnew", "source_model", "op"),
)
_POSTED = (
    *("action", "_selected_action", "select_across", "index", "confirmed", "post", "_save"),
    *("_continue", "_addanother", "_saveasnew", "_popup", "_to_field", "why", "next", "model"),
)
_HEADERS = {
    "HTTP_HOST": ("localhost:x", "localhost:", "[::1", "exa mple", "a" * 300, "\xff", ""),
    "HTTP_ACCEPT": ("*/*;q=nan", "\xff", ",,,;", "a/" * 2_000),
    "HTTP_ACCEPT_ENCODING": ("gzip;q=x", "\xff"),
    "HTTP_ACCEPT_LANGUAGE": ("x" * 5_000, "en;q=9", "\0"),
    "HTTP_LAST_EVENT_ID": ("", "1", "a:b", "\xff", "9" * 5_000, "[" * 5_000, "{}"),
    "HTTP_X_FORWARDED_FOR": ("x", "1.2.3.4, ::ffff:1.2.3.4%eth0", "," * 2_000, "\xff"),
    "HTTP_REFERER": ("http://[", "\xff", "x" * 5_000),
    "HTTP_ORIGIN": ("null", "http://[", "\xff"),
    "HTTP_HX_REQUEST": ("true", "\xff"),
    "HTTP_HX_CURRENT_URL": ("http://[", "%FF", "\xff"),
    "HTTP_HX_CURRENT_URL_URI_AUTOENCODED": ("true",),
    "HTTP_TRACEPARENT": ("00-" + "f" * 32 + "-" + "e" * 16 + "-01", "\xff", "x" * 5_000),
    "HTTP_IF_MODIFIED_SINCE": ("Sun, 99 Nov 0000 99:99:99 GMT", "\xff"),
    "HTTP_IF_NONE_MATCH": ('"', "\xff"),
    "HTTP_RANGE": ("bytes=9-1", "\xff"),
    "HTTP_AUTHORIZATION": ("Bearer \xff", "Basic ="),
    "HTTP_COOKIE": (
        *("sessionid=\xff", "sessionid=" + "x" * 500, "csrftoken=\xff", "csrftoken=" + "a" * 31),
        *("messages=\xff", "messages=W10:x:y", "=;=;", 'a="\\777"', ";" * 2_000, "sessionid=%00"),
    ),
    "CONTENT_LENGTH": ("x", "-1", "", "9" * 5_000),
    "REMOTE_ADDR": ("::1", "fe80::1%eth0"),
}
_CONTENT_TYPES = (
    *("application/x-www-form-urlencoded; charset=utf-16", "text/plain; charset=latin-1"),
    *(
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\xff",
    ),
    *("multipart/form-data; boundary=b; charset=unicode_escape", "text/plain; charset=utf-7"),
    *("application/json", "\xff", "", ";;;=", "text/plain; charset=unicode_escape"),
    *("multipart/form-data; boundary=b; charset=utf-16", "multipart/form-data; boundary=b"),
)
_BODIES = (
    *(b"", b"\xff\xfe", b"a=%FF&b=%ED%A0%80", b"%=%&&==", b"a=" + b"\\ud800" * 10, b"[" * 5_000),
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n\\ud800\xff\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="q"; filename="\xff/.."\r\n\r\nx\r\n--b--\r\n',
    b"--b\r\nContent-Disposition: form-data\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n--b",
    b"&".join(b"a%d=1" % number for number in range(1_100)),
)
_FIELDS = 30
"""The number of fields of the largest form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """The hostile parts of one request; the caller chooses the user and the URL pattern."""

    ids: tuple[str, ...] = ()
    """The values of the parts of the path; if empty, the parts are those of an existing row."""
    query: Mapping[str, str] = field(default_factory=dict)
    post: bool = False
    changed: tuple[tuple[int, str], ...] = ()
    """New values of the form's fields, by the position of the field."""
    added: Mapping[str, str] = field(default_factory=dict)
    """Posted values that the form does not have."""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    """If not empty, `body` is posted with this content type instead of the form."""
    body: bytes = b""


def attacks() -> st.SearchStrategy[Attack]:
    """Return a strategy for hostile requests."""
    values = st.sampled_from(VALUES)
    filters = st.builds(str.__add__, st.sampled_from(_COLUMNS), st.sampled_from(_LOOKUPS))
    names = st.sampled_from(_PARAMETERS) | filters
    odd = st.sampled_from([(name, each) for name, some in _HEADERS.items() for each in some])
    anything = st.builds(
        Attack,
        ids=st.just(()) | st.tuples(values, values),
        query=st.dictionaries(names, values, max_size=3),
        post=st.booleans(),
        changed=st.lists(st.tuples(st.integers(0, _FIELDS), values), max_size=4).map(tuple),
        added=st.dictionaries(st.sampled_from(_POSTED), values, max_size=2),
        headers=st.just({}) | st.just({}) | st.lists(odd, max_size=2).map(dict),
        content_type=st.just("") | st.just("") | st.sampled_from(_CONTENT_TYPES),
        body=st.sampled_from(_BODIES),
    )
    return anything | st.integers(0, len(VALUES)).map(whole_form)


def whole_form(start: int) -> Attack:
    """Return a form in which each field has a hostile value, beginning with this one."""
    changed = ((at, VALUES[(start + 7 * at) % len(VALUES)]) for at in range(_FIELDS))
    return Attack(post=True, changed=tuple(changed))


class Fields(HTMLParser):
    """The fields of the forms in a page, with their values."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._text = ""
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "input" and name and given.get("type") not in {"checkbox", "radio", "submit"}:
            self.values[name] = given.get("value", "")
        elif tag in {"textarea", "select"}:
            self.values[name] = ""
            self._text, self._select = (name, "") if tag == "textarea" else ("", name)
        elif tag == "option" and self._select and "selected" in given:
            self.values[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._text:
            self.values[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in {"textarea", "select"}:
            self._text = self._select = ""


def encoded(values: Mapping[str, str]) -> str:
    """Return values as a query string. A lone surrogate becomes three bytes that are not UTF-8."""
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value.encode(errors='surrogatepass'))}"
        for name, value in values.items()
    )


def part_of_path(value: str) -> str:
    return quote(value.encode(errors="surrogatepass"), safe="")
