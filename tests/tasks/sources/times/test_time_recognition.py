"""How times are written in public tables: each way is recognized on its values, and its format parses them again."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sources.times.time_formats import check_format
from tasks.sources.times.time_recognition import recognize_column
from tasks.sources.times.timestamps import TimestampParser, has_zone

WAYS = {  # values, the instants in UTC, and the format that init writes; None: read without a format
    "quarters": (["2024-Q1", "2024Q2", "2024 Q3"], ["2024-01-01", "2024-04-01", "2024-07-01"], "quarter"),
    "quarter first": (["Q1 2024", "Q2-2024", "3Q24"], ["2024-01-01", "2024-04-01", "2024-07-01"], "quarter"),
    "M months": (["1990M01", "1990-M2", "M12 1990"], ["1990-01-01", "1990-02-01", "1990-12-01"], "month"),
    "colon months": (["1990:01", "1990:12"], ["1990-01-01", "1990-12-01"], "month"),
    "halves": (["2024-H1", "2024S2"], ["2024-01-01", "2024-07-01"], "half"),
    "ISO weeks": (["2015-W02", "2015W03", "2015-W53"], ["2015-01-05", "2015-01-12", "2015-12-28"], "week"),
    "ISO week days": (["2015-W02-3", "2015W027"], ["2015-01-07", "2015-01-11"], "week"),
    "calendar weeks": (["KW 02/2015", "KW 3/2015"], ["2015-01-05", "2015-01-12"], "week"),
    "month digits": (["199001", "199002", "199012"], ["1990-01-01", "1990-02-01", "1990-12-01"], "%Y%m"),
    "month and year": (["01/1990", "12/1990"], ["1990-01-01", "1990-12-01"], "%m/%Y"),
    "ordinal dates": (["2024-001", "2024-366"], ["2024-01-01", "2024-12-31"], "%Y-%j"),
    "seasons": (["2019/2020", "2020/2021"], ["2019-01-01", "2020-01-01"], "%Y"),
    "two-digit years": (["21.01.24", "22.01.24", "01.02.24"], ["2024-01-21", "2024-01-22", "2024-02-01"], "%d.%m.%y"),
    "year first": (["24-01-31", "24-02-01", "24-02-02"], ["2024-01-31", "2024-02-01", "2024-02-02"], "%y-%m-%d"),
    "English months": (["21-Jan-24", "01-Feb-24"], ["2024-01-21", "2024-02-01"], "%d %b %y"),
    "long months": (["January 21st, 2024", "February 1st, 2024"], ["2024-01-21", "2024-02-01"], "%b %d %Y"),
    "German months": (["21. März 2024", "1. Mai 2024"], ["2024-03-21", "2024-05-01"], "%d %b %Y"),
    "Spanish months": (["21 de enero de 2024", "1 de abril de 2024"], ["2024-01-21", "2024-04-01"], "%d %b %Y"),
    "Polish months": (["21 lip 2024", "1 paź 2024"], ["2024-07-21", "2024-10-01"], "%d %b %Y"),
    "months alone": (["Jan-24", "Feb-24"], ["2024-01-01", "2024-02-01"], "%b %y"),
    "12 hours": (
        ["10/03/2012 12:00:00 AM", "10/13/2012 1:00:00 PM", "10/13/2012 12:00:00 PM"],
        ["2012-10-03", "2012-10-13 13:00", "2012-10-13 12:00"],
        "%m/%d/%Y %I:%M:%S %p",
    ),
    "12 hours, midnight first": (
        ["10/3/2012", "10/3/2012 1:00 PM", "10/13/2012 1:00 AM"],
        ["2012-10-03", "2012-10-03 13:00", "2012-10-13 01:00"],
        "%m/%d/%Y %I:%M %p",
    ),
    "12 hours of SQL Server": (
        ["Oct  3 2012 1:00PM", "Oct 31 2012 12:30AM"],
        ["2012-10-03 13:00", "2012-10-31 00:30"],
        "%b %d %Y %I:%M %p",
    ),
    "narrow space": (["1/31/2024, 1:00\u202fPM"], ["2024-01-31 13:00"], "%m/%d/%Y %I:%M %p"),
    "no seconds": (["10/03/12 13:00", "10/23/12 14:00"], ["2012-10-03 13:00", "2012-10-23 14:00"], "%m/%d/%y %H:%M"),
    "no midnight": (["31.01.2024", "31.01.2024 01:00"], ["2024-01-31", "2024-01-31 01:00"], "%d.%m.%Y %H:%M"),
    "points in the clock": (
        ["31.1.2024 13.45", "1.2.2024 9.00"],
        ["2024-01-31 13:45", "2024-02-01 09:00"],
        "%d.%m.%Y %H:%M",
    ),
    "hour as a number": (["01/31/2024 13", "01/31/2024 5"], ["2024-01-31 13:00", "2024-01-31 05:00"], "%m/%d/%Y %H:%M"),
    "compact minutes": (["202401012000", "202401012400"], ["2024-01-01 20:00", "2024-01-02"], None),
    "compact hours": (["2024010112", "2024010113"], ["2024-01-01 12:00", "2024-01-01 13:00"], None),
    "hour 24": (["2024-01-01 23:00", "2024-01-01 24:00"], ["2024-01-01 23:00", "2024-01-02"], None),
    "hour 24, local": (["31.01.2024 23:00", "31.01.2024 24:00"], ["2024-01-31 23:00", "2024-02-01"], "%d.%m.%Y %H:%M"),
    "fractions": (
        ["2024-01-01 00:00:00,5", "2024-01-01T00:00:01.25"],
        ["2024-01-01 00:00:00.5", "2024-01-01 00:00:01.25"],
        None,
    ),
    "slashes": (["2024/01/31", "2024/02/01 05:00"], ["2024-01-31", "2024-02-01 05:00"], None),
    "Excel": (["45292", "45293.5"], ["2024-01-01", "2024-01-02 12:00"], "excel"),
    "Excel, decimal comma": (["45292,25", "45293,5"], ["2024-01-01 06:00", "2024-01-02 12:00"], "excel"),
    "UTC": (["2024-01-01 00:00:00 UTC", "2024-07-01 00:00:00 UTC"], ["2024-01-01", "2024-07-01"], None),
    "EST and EDT": (["2024-01-01 00:00 EST", "2024-07-01 00:00 EDT"], ["2024-01-01 05:00", "2024-07-01 04:00"], None),
    "CET and offset": (["2024-01-01 01:00 CET", "2024-07-01T02:00+02:00"], ["2024-01-01", "2024-07-01"], None),
    "GMT and offset": (["2024-01-01 02:00 GMT+2", "2024-01-01 01:00 UTC+01:00"], ["2024-01-01", "2024-01-01"], None),
    "IANA": (
        ["2024-01-01T01:00+01:00[Europe/Berlin]", "2024-07-01 02:00 Europe/Berlin"],
        ["2024-01-01", "2024-07-01"],
        None,
    ),
    "C": (
        ["Mon Jan  1 13:00:00 2024", "Wed Jan 31 13:00:00 UTC 2024"],
        ["2024-01-01 13:00", "2024-01-31 13:00"],
        "%b %d %Y %H:%M:%S",
    ),
    "mail": (
        ["Mon, 01 Jan 2024 13:00:00 +0100", "Wed, 31 Jan 2024 13:00:00 GMT"],
        ["2024-01-01 12:00", "2024-01-31 13:00"],
        "%d %b %Y %H:%M:%S",
    ),
    "Apache": (
        ["31/Jan/2024:13:00:00 +0000", "01/Feb/2024:13:00:00 +0100"],
        ["2024-01-31 13:00", "2024-02-01 12:00"],
        "%d %b %Y %H:%M:%S",
    ),
    "JavaScript": (
        ["Mon Jan 01 2024 01:00:00 GMT+0100 (Central European Standard Time)"],
        ["2024-01-01"],
        "%b %d %Y %H:%M:%S",
    ),
    "DB2": (
        ["2024-01-01-13.00.00.000000", "2024-01-01-14.00.00.000000"],
        ["2024-01-01 13:00", "2024-01-01 14:00"],
        None,
    ),
    "intervals": (
        ["2024-01-01 00:00 - 2024-01-01 01:00", "2024-01-01 01:00 – 02:00"],
        ["2024-01-01", "2024-01-01 01:00"],
        None,
    ),
    "local intervals": (["31.01.2024 00:00 - 31.01.2024 00:15"], ["2024-01-31"], "%d.%m.%Y %H:%M"),
    "hour intervals": (
        ["2024-01-01 00:00-01:00", "2024-01-01 01:00-02:00", "2024-01-01 02:00-03:00"],
        ["2024-01-01", "2024-01-01 01:00", "2024-01-01 02:00"],
        None,
    ),
    "pandas intervals": (["[2024-01-01, 2024-01-08)", "2024-01-08/2024-01-14"], ["2024-01-01", "2024-01-08"], None),
    "Japanese": (["2024年1月5日", "2024年1月31日 13:00"], ["2024-01-05", "2024-01-31 13:00"], None),
    "Korean clock": (["2024-01-05 오후 1:00", "2024-01-05 오전 2:00"], ["2024-01-05 13:00", "2024-01-05 02:00"], None),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_times_are_read_as_they_are_written(way):
    values, instants, written = WAYS[way]
    column = pd.Series(values, dtype="str")
    expected = [pd.Timestamp(instant, tz="UTC") for instant in instants]
    assert TimestampParser(None).parse(column).tolist() == expected
    recognized = recognize_column(column)
    assert (recognized.format if recognized else None) == written
    if written:  # a night that is given the format reads the same
        assert TimestampParser(None, format=check_format(written)).parse(column).tolist() == expected


@pytest.mark.parametrize(
    ("values", "instants", "written"),
    [
        ([20240131, 20240201], ["2024-01-31", "2024-02-01"], "%Y%m%d"),
        ([202401, 202402], ["2024-01-01", "2024-02-01"], "%Y%m"),
        ([1990.0, 1991.0, None], ["1990-01-01", "1991-01-01", None], "%Y"),
        ([202401012300, 202401012400], ["2024-01-01 23:00", "2024-01-02"], "%Y%m%d%H%M"),
        ([45292.0, 45292.5], ["2024-01-01", "2024-01-01 12:00"], "excel"),
    ],
)
def test_numbers_are_times_with_the_format_alone(values, instants, written):
    column = pd.Series(values)
    assert recognize_column(column).format == written
    times = TimestampParser(None, format=written).parse(column)
    assert [None if time is pd.NaT else time for time in times] == [
        instant and pd.Timestamp(instant, tz="UTC") for instant in instants
    ]
    assert TimestampParser(None).parse(column).isna().all()


def test_steps_are_days_since_1970():
    steps = TimestampParser(None, format="steps", calendar_steps=True).parse(pd.Series([0, 1, 366]))
    assert steps.dt.strftime("%Y-%m-%d").tolist() == ["1970-01-01", "1970-01-02", "1971-01-02"]


@pytest.mark.parametrize(
    ("values", "written", "reason"),
    [
        (["13/02/2024", "01/02/2024"], "%d/%m/%Y", {"example": "13/02/2024"}),
        (["01/02/2024", "02/13/2024"], "%m/%d/%Y", {"example": "02/13/2024"}),
        (["01/02/2024", "03/04/2024"], "%m/%d/%Y", {"alternatives": ("%d/%m/%Y",)}),
        (["01.02.2024", "03.04.2024"], "%d.%m.%Y", {"alternatives": ("%m.%d.%Y",)}),
        (
            [f"01/{month:02}/{year}" for year in range(2020, 2024) for month in range(1, 13)],
            "%d/%m/%Y",
            {"uneven": "%m/%d/%Y"},
        ),
    ],
)
def test_order_of_day_and_month_is_decided_on_all_values(values, written, reason):
    recognized = recognize_column(pd.Series(values, dtype="str"))
    assert recognized.format == written
    assert {name: getattr(recognized, name) for name in reason} == reason


def test_contradicting_orders_are_not_read():
    both = [f"{day}/01/2024" for day in range(13, 20)] + [f"01/{day}/2024" for day in range(13, 20)] + ["01/02/2024"]
    column = pd.Series(both, dtype="str")
    assert "'13/01/2024' is %d/%m/%Y, and '01/13/2024' is %m/%d/%Y" in recognize_column(column).contradiction
    assert TimestampParser(None).parse(column).isna().all()


@pytest.mark.parametrize(
    "text",
    ["now", "today", "soon", "0", "12", "24:00", "2024-01-01 24:30", "2024-13-01", "2015-W54", "2016-W53", "2024-Q5",
     "1/2", "13:00 PM", "99999999999999999999", "2024-01-01 00:00 IST", "2024-01-01 00:00 Mars/Base", "٢٠٢٤", "٣"],
)  # fmt: skip
def test_text_that_is_not_a_time_is_not_read(text):
    assert TimestampParser(None).parse(pd.Series([text], dtype="str")).isna().all()


def test_digits_among_dates_are_not_dates():
    column = pd.Series([f"2024-01-{day:02}" for day in range(1, 25)] + ["202403", "45292"], dtype="str")
    assert TimestampParser(None).parse(column).isna().tolist() == [False] * 24 + [True] * 2


def test_letters_of_zones_are_zones():
    column = pd.Series(
        ["2024-01-01 00:00 UTC", "2024-01-01 1:00 PM", "2024-01-01", "2024-01-01 00:00 CET", None], dtype="str"
    )
    assert has_zone(column).tolist() == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("dd/MM/yyyy", "write a strptime format such as %d/%m/%Y"),
        ("%d/%m", "has no year"),
        ("%Y-%Q", "is not a time format"),
        ("%Y %Y", "is not a time format"),
        ("", "is not a time format"),
    ],
)
def test_wrong_format_is_refused(written, message):
    with pytest.raises(ValueError, match=message):
        check_format(written)


@pytest.mark.parametrize(("zone", "day", "instant"), [
    ("Asia/Beirut", "2023-03-26", "2023-03-25 22:00"),  # midnight is skipped
    ("America/Havana", "2023-11-05", "2023-11-05 04:00"),  # midnight occurs twice
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00"),
])  # fmt: skip
def test_date_is_its_first_moment(zone, day, instant):
    parser = TimestampParser(zone)
    assert parser.parse(pd.Series([day], dtype="str")).tolist() == [pd.Timestamp(instant, tz="UTC")]
    assert parser.parse(pd.Series([pd.Timestamp(day).date()])).tolist() == [pd.Timestamp(instant, tz="UTC")]


def test_time_of_day_that_a_clock_skips_or_repeats_is_not_read():
    assert TimestampParser("Asia/Beirut").parse(pd.Series(["2023-03-26 00:00"], dtype="str")).isna().all()
    assert TimestampParser("America/Havana").parse(pd.Series(["2023-11-05 00:00"], dtype="str")).isna().all()


TEXTS = st.one_of(
    st.text(max_size=25),
    st.text("0123456789-/.:, TZQWMAPp+[]()", max_size=22),
    st.sampled_from([value for values, _, _ in WAYS.values() for value in values]),
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.datetimes().map(str),
)


@settings(max_examples=100)
@given(st.lists(TEXTS, max_size=8), st.sampled_from([None, "Europe/Berlin"]), st.booleans())
def test_no_text_raises_and_parsed_times_parse_again(texts, zone, calendar_steps):
    column = pd.Series(texts, dtype="str")
    parser = TimestampParser(zone, calendar_steps=calendar_steps)
    times = parser.parse(column)
    assert len(times) == len(texts)
    recognize_column(column)
    again = TimestampParser(None).parse(times.dropna().map(lambda time: time.isoformat()).astype("str"))
    assert again.tolist() == times.dropna().tolist()


@settings(max_examples=100)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.sampled_from(["quarter", "week", "excel", "steps", "%d/%m/%Y %H:%M", "%b %d %Y %I:%M %p"]),
)
def test_no_text_raises_with_a_format(texts, written):
    assert len(TimestampParser(None, format=written).parse(pd.Series(texts, dtype="str"))) == len(texts)


@settings(max_examples=30)
@given(
    st.lists(
        st.datetimes(pd.Timestamp("1970-01-01"), pd.Timestamp("2068-12-31")), min_size=30, max_size=40, unique=True
    ),
    st.sampled_from(["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d-%b-%y %H:%M", "%Y%m%d%H%M", "%b %d %Y", "%Y-%j"]),
)
def test_formats_round_trip(moments, written):
    text = pd.Series([moment.strftime(written) for moment in moments], dtype="str")
    expected = pd.to_datetime(text, format=written).dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    assert TimestampParser(None, format=written).parse(text).tolist() == expected.tolist()
    assert TimestampParser(None).parse(text).tolist() == expected.tolist()
