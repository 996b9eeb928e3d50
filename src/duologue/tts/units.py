"""Units of measure: their symbols and their names."""

from __future__ import annotations

__all__ = ["PER", "UNITS", "plural"]

UNITS = {
    # length and area
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "μm": "micrometer", "nm": "nanometer",
    "ft": "foot", "ft.": "foot", "in.": "inch", "yd": "yard", "yds": "yard", "mi": "mile", "mi.": "mile",
    "sq ft": "square foot", "sq. ft.": "square foot", "sqft": "square foot", "sq m": "square meter",
    "sqm": "square meter", "sq mi": "square mile", "sq km": "square kilometer", "cu ft": "cubic foot", "ha": "hectare",
    # weight and volume
    "kg": "kilogram", "kgs": "kilogram", "g": "gram", "mg": "milligram", "μg": "microgram", "mcg": "microgram",
    "lb": "pound", "lb.": "pound", "lbs": "pound", "lbs.": "pound", "oz": "ounce", "oz.": "ounce",
    "fl oz": "fluid ounce", "fl. oz.": "fluid ounce", "L": "liter", "l": "liter", "mL": "milliliter",
    "ml": "milliliter", "dL": "deciliter", "dl": "deciliter", "cl": "centiliter", "cc": "cubic centimeter",
    "gal": "gallon", "gal.": "gallon", "qt": "quart", "pt": "pint", "tbsp": "tablespoon", "tsp": "teaspoon",
    # time and pace
    "ms": "millisecond", "μs": "microsecond", "ns": "nanosecond", "s": "second", "sec": "second", "sec.": "second",
    "secs": "second", "min": "minute", "min.": "minute", "mins": "minute", "mins.": "minute", "h": "hour",
    "hr": "hour", "hr.": "hour", "hrs": "hour", "hrs.": "hour", "wk": "week", "wks": "week", "mo": "month",
    "mos": "month", "yr": "year", "yr.": "year", "yrs": "year", "yrs.": "year",
    "mph": "mile per hour", "kph": "kilometer per hour", "kmh": "kilometer per hour", "mpg": "mile per gallon",
    "rpm": "revolution per minute", "bpm": "beat per minute", "fps": "frame per second",
    # electricity, energy, sound, pressure
    "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "Wh": "watt hour", "kWh": "kilowatt hour",
    "MWh": "megawatt hour", "V": "volt", "kV": "kilovolt", "mA": "milliamp", "mAh": "milliamp hour", "dB": "decibel",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "kJ": "kilojoule", "cal": "calorie",
    "kcal": "kilocalorie", "hp": "horsepower", "psi": "pound per square inch", "PSI": "pound per square inch",
    "kPa": "kilopascal", "hPa": "hectopascal", "mbar": "millibar", "ppm": "part per million",
    # data
    "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "PB": "petabyte",
    "MiB": "mebibyte", "GiB": "gibibyte", "kb": "kilobit", "Mb": "megabit", "Gb": "gigabit",
    "kbps": "kilobit per second", "Mbps": "megabit per second", "Gbps": "gigabit per second", "px": "pixel",
    "MP": "megapixel", "dpi": "dot per inch",
}  # fmt: skip
"""By symbol, in the singular."""

PER = UNITS | {"d": "day", "day": "day", "week": "week", "month": "month", "year": "year", "hour": "hour"}
"""What may stand below the line: "km/h", "$5/mo"."""

_IRREGULAR = {"foot": "feet", "inch": "inches", "horsepower": "horsepower"}


def plural(unit: str) -> str:
    """The plural of a unit: "square feet", "miles per hour", "kilohertz"."""
    head, per, below = unit.partition(" per ")
    words = head.split()
    last = words[-1]
    words[-1] = _IRREGULAR.get(last) or (last if last.endswith("hertz") else last + "s")
    return " ".join(words) + per + below
