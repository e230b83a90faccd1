"""Parts of a story's columns, computed by the database."""

from typing import Any, ClassVar

from django.db.models import CharField, Func

TOPIC_LENGTH = 100
"""The maximum length of the name of a topic that can be listed on MySQL."""


class _Part(Func):
    """Text that is computed from one column, with a template for each database.

    The templates contain no parameters, so that an index on the expression can be used.
    """

    output_field = CharField()
    sqlite: ClassVar[str]
    mysql: ClassVar[str]
    mariadb: ClassVar[str]

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        return self.as_sql(compiler, connection, template=self.sqlite, **options)

    def as_mysql(self, compiler: Any, connection: Any, **options: Any) -> Any:
        template = self.mariadb if connection.mysql_is_mariadb else self.mysql
        return self.as_sql(compiler, connection, template=template, **options)


class JSONName(_Part):
    """The text under the key `name` of a JSON object; null if there is no text."""

    _text = f"JSON_VALUE(%(expressions)s, '$.name' RETURNING CHAR({TOPIC_LENGTH}))"
    _if_text = "CASE JSON_TYPE(JSON_EXTRACT(%(expressions)s, '$.name')) WHEN 'STRING' THEN"
    sqlite = (
        "CASE JSON_TYPE(%(expressions)s, '$.name') WHEN 'text' "
        "THEN JSON_EXTRACT(%(expressions)s, '$.name') END"
    )
    mysql = f"{_if_text} {_text} END"
    mariadb = f"{_if_text} JSON_VALUE(%(expressions)s, '$.name') END"


class Site(_Part):
    """The part of an address between `://` and the next slash."""

    _rest = "SUBSTR(%(expressions)s, INSTR(%(expressions)s, '://') + 3)"
    sqlite = f"SUBSTR({_rest}, 1, INSTR({_rest} || '/', '/') - 1)"
    mysql = mariadb = f"SUBSTRING_INDEX({_rest}, '/', 1)"


class Text(_Part):
    """A column as text, for example JSON as it is stored."""

    sqlite = mariadb = "%(expressions)s"
    mysql = "CAST(%(expressions)s AS CHAR)"
