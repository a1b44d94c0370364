"""Words in column names, and the role of a column that each suggests."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TIME_WORDS = _words("time date datetime timestamp ds day hour week month period dt ts date_time index year")
STEP_WORDS = _words("t step steps idx sequence seq tick round epoch observation obs")
HOUR_WORDS = _words("hr hour hours minute time period")
TIME_PART_WORDS = {
    "year": _words("year yr yyyy jahr año ano anno année annee jaar rok år"),
    "month": _words("month mon mnth mm mo monat mes mese mois maand miesiąc måned"),
    "day": _words("day dd mday dayofmonth tag día dia giorno jour dag dzień"),
    "hour": _words("hour hours hr hh std stunde hora ora heure uur"),
    "minute": _words("minute min mi"),
}
WEEK_WORDS = _words("week isoweek weekofyear wk kw woche semaine semana")
QUARTER_WORDS = _words("quarter qtr quartal trimester trimestre trim q")
AUDIT_WORDS = _words("created updated modified loaded inserted ingested known exported local at")
VERSION_WORDS = _words("known loaded inserted ingested updated modified created exported published revised")
ID_NAMES = _words("unique_id series series_id id item_id")
ID_WORDS = _words(
    "id unique_id series item sku store shop product sensor station meter device region country city site location "
    "branch customer client symbol ticker name key code department dept warehouse plant route line machine state "
    "category"
)
ROW_NUMBER_WORDS = frozenset(["index", "instant", "row", "id", "unnamed", "no", ""])
TARGET_NAMES = _words("y target value values label")
TARGET_WORDS = _words(
    "sales sold demand load count cnt total quantity qty units amount revenue consumption usage kwh mw energy power "
    "orders visitors visits trips rides passengers traffic generation output turnover requests calls arrivals close "
    "ot delayed delays late cancelled failed errors defects returns churn flow discharge occupancy bookings "
    "pm pm2 pm10 pm25 no2 nox o3 so2 co co2 aqi pollution concentration"
)
WEATHER_WORDS = _words(
    "temp atemp temperature rain snow wind windspeed humidity hum cloud clouds pressure visib visibility precip "
    "precipitation sun sunshine radiation dew dewpoint weathersit pres dewp wspm iws meantemp meanpressure ghi dni dhi"
)
COVARIATE_WORDS = _words(
    "scheduled planned plan expected forecast budget capacity discount campaign advertised "
    "price holiday promo promotion onpromotion event lat lon latitude longitude workingday weekend open flag index row "
    "year yr season"
)
SIGNED_WORDS = _words(
    "temp atemp temperature meantemp dew dewp dewpoint balance profit net change delta diff difference margin pnl "
    "deviation anomaly residual gain"
)
