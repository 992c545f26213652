"""A pytest plugin: ``sqlite3`` is pysqlite3, so that the store is tried with another SQLite than Python's own."""

import sys

import pysqlite3
import pysqlite3.dbapi2

sys.modules["sqlite3"] = pysqlite3
sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2


def pytest_report_header():
    return f"SQLite {pysqlite3.sqlite_version}"
