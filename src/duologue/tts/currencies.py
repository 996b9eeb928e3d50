"""Currencies: their signs, their codes and their names."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CODES", "SIGNS", "Currency"]


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency by its names; `cent` is empty if amounts have no part."""

    one: str
    many: str
    cent: str = "cent"
    cents: str = "cents"


_DOLLAR = Currency("dollar", "dollars")
_EURO = Currency("euro", "euros")
_POUND = Currency("pound", "pounds", "penny", "pence")
_YEN = Currency("yen", "yen", "", "")
_RUPEE = Currency("rupee", "rupees", "paisa", "paise")


def _dollar(of: str) -> Currency:
    return Currency(f"{of} dollar", f"{of} dollars")


SIGNS = {
    "$": _DOLLAR, "US$": _dollar("US"), "USD$": _dollar("US"), "U.S.$": _dollar("US"), "C$": _dollar("Canadian"),
    "CA$": _dollar("Canadian"), "CAD$": _dollar("Canadian"), "A$": _dollar("Australian"), "AU$": _dollar("Australian"),
    "NZ$": _dollar("New Zealand"), "HK$": _dollar("Hong Kong"), "S$": _dollar("Singapore"),
    "SG$": _dollar("Singapore"), "NT$": _dollar("Taiwan"), "R$": Currency("real", "reais", "centavo", "centavos"),
    "MX$": Currency("Mexican peso", "Mexican pesos", "centavo", "centavos"), "€": _EURO, "£": _POUND, "¥": _YEN,
    "₹": _RUPEE, "Rs.": _RUPEE, "Rs": _RUPEE, "₩": Currency("won", "won", "", ""),
    "₽": Currency("ruble", "rubles", "kopeck", "kopecks"), "₺": Currency("lira", "lira", "kurus", "kurus"),
    "₪": Currency("shekel", "shekels", "agora", "agorot"), "₱": Currency("peso", "pesos", "centavo", "centavos"),
    "₦": Currency("naira", "naira", "kobo", "kobo"), "₫": Currency("dong", "dong", "", ""),
    "฿": Currency("baht", "baht", "satang", "satang"), "₿": Currency("bitcoin", "bitcoins", "", ""),
    "₴": Currency("hryvnia", "hryvnias", "kopiyka", "kopiykas"), "¢": Currency("cent", "cents", "", ""),
    "zl": Currency("zloty", "zlotys", "grosz", "groszy"), "kr": Currency("krona", "kronor", "ore", "ore"),
    "Fr.": Currency("franc", "francs", "centime", "centimes"),
}  # fmt: skip
"""By sign."""

CODES = {
    "USD": _dollar("US"), "EUR": _EURO, "GBP": _POUND, "JPY": _YEN, "INR": _RUPEE,
    "CNY": Currency("yuan", "yuan", "fen", "fen"), "RMB": Currency("yuan", "yuan", "fen", "fen"),
    "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"), "CAD": _dollar("Canadian"),
    "AUD": _dollar("Australian"), "NZD": _dollar("New Zealand"), "HKD": _dollar("Hong Kong"),
    "SGD": _dollar("Singapore"), "TWD": _dollar("Taiwan"),
    "SEK": Currency("Swedish krona", "Swedish kronor", "ore", "ore"),
    "NOK": Currency("Norwegian krone", "Norwegian kroner", "ore", "ore"),
    "DKK": Currency("Danish krone", "Danish kroner", "ore", "ore"),
    "PLN": Currency("zloty", "zlotys", "grosz", "groszy"),
    "CZK": Currency("Czech koruna", "Czech korunas", "haler", "halers"),
    "HUF": Currency("forint", "forints", "", ""), "BRL": Currency("real", "reais", "centavo", "centavos"),
    "MXN": Currency("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "ZAR": Currency("rand", "rand"), "KRW": Currency("won", "won", "", ""),
    "TRY": Currency("lira", "lira", "kurus", "kurus"), "RUB": Currency("ruble", "rubles", "kopeck", "kopecks"),
    "THB": Currency("baht", "baht", "satang", "satang"), "ILS": Currency("shekel", "shekels", "agora", "agorot"),
    "AED": Currency("dirham", "dirhams", "fils", "fils"), "SAR": Currency("riyal", "riyals", "halala", "halalas"),
    "PHP": Currency("Philippine peso", "Philippine pesos", "centavo", "centavos"),
    "IDR": Currency("rupiah", "rupiah", "", ""), "MYR": Currency("ringgit", "ringgit", "sen", "sen"),
    "VND": Currency("dong", "dong", "", ""), "UAH": Currency("hryvnia", "hryvnias", "kopiyka", "kopiykas"),
    "NGN": Currency("naira", "naira", "kobo", "kobo"), "BTC": Currency("bitcoin", "bitcoins", "", ""),
    "ETH": Currency("ether", "ether", "", ""),
}  # fmt: skip
"""By code of ISO 4217, and of the two common cryptocurrencies."""
