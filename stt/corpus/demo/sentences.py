"""A generator of Russian sentences: addresses, numbers, times, taxi orders, news."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from num2words import num2words

Chooser = np.random.Generator

STREETS = (
    "ленина гагарина пушкина чехова мира победы садовая лесная полевая школьная набережная вокзальная "
    "московская советская октябрьская молодежная центральная новая зеленая горького лермонтова кирова "
    "толстого менделеева ломоносова королева чайковского суворова кутузова жукова тверская арбат "
    "речная луговая солнечная северная южная восточная западная березовая кленовая вишневая озерная"
).split()
STREET_KINDS = ("улица", "проспект", "переулок", "площадь", "бульвар", "шоссе")
PLACES_FROM = (
    "вокзала аэропорта рынка театра музея стадиона парка больницы школы университета гостиницы ресторана "
    "магазина библиотеки почты банка завода порта цирка зоопарка дома офиса метро поликлиники церкви кинотеатра"
).split()
CITIES = (
    "москва казань самара омск уфа пермь воронеж волгоград саратов тюмень тула рязань киров тверь "
    "иркутск хабаровск ярославль владивосток томск оренбург кемерово липецк пенза астрахань калининград"
).split()
WEEKDAYS = ("понедельник", "вторник", "среду", "четверг", "пятницу", "субботу", "воскресенье")
PARTS_OF_DAY = ("утром", "днем", "вечером", "ночью", "сегодня", "завтра", "послезавтра", "вчера")
SUBJECTS = (
    "министр губернатор директор врач ученый тренер художник президент посол инженер писатель судья мэр "
    "профессор редактор адвокат полковник депутат актер режиссер банкир летчик капитан космонавт учитель"
).split()
VERBS = (
    "открыл закрыл показал построил обсудил подписал отменил изучил представил купил продал проверил "
    "описал посетил поддержал объявил увидел нашел потерял выиграл обещал одобрил исправил защитил запустил"
).split()
ADJECTIVES = (
    "новый старый большой маленький городской важный известный первый последний военный научный детский "
    "школьный зимний летний дорогой простой сложный быстрый частный народный горный морской южный редкий"
).split()
OBJECTS = (
    "закон проект мост завод музей договор фильм роман самолет корабль поезд театр бюджет план отчет центр "
    "парк дворец рекорд маршрут способ прибор рисунок журнал праздник конкурс турнир приказ вопрос кабинет"
).split()
WHERE = (
    "в столице", "на севере", "на юге", "в области", "за границей", "в деревне", "на границе", "в центре города",
    "в горах", "на берегу моря", "у реки", "в университете", "на заводе", "в парламенте", "на выставке",
)  # fmt: skip
REQUESTS = (
    "нужна машина",
    "закажите такси",
    "пришлите машину",
    "хочу заказать такси",
    "вызовите такси",
    "можно машину",
)
REMARKS = (
    "с детским креслом", "с багажом", "оплата картой", "оплата наличными", "без сдачи", "как можно скорее",
    "подъезд со двора", "позвоните за пять минут", "нас будет четверо", "поедем с собакой", "на два адреса",
)  # fmt: skip


def _one(rng: Chooser, options: tuple[str, ...] | list[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _number(rng: Chooser, largest: int) -> str:
    """Spell out a number from 1 to `largest`; the number of digits is drawn first, so that small numbers are common."""
    digits = int(rng.integers(1, len(str(largest)) + 1))
    value = int(rng.integers(10 ** (digits - 1), min(10**digits, largest + 1)))
    return str(num2words(value, lang="ru"))


def address(rng: Chooser) -> str:
    """Generate an address, sometimes with a flat, an entrance or a city."""
    text = f"{_one(rng, STREET_KINDS)} {_one(rng, STREETS)} дом {_number(rng, 150)}"
    if rng.random() < 0.3:
        text = f"город {_one(rng, CITIES)} {text}"
    if rng.random() < 0.5:
        text += f" {_one(rng, ('квартира', 'подъезд', 'этаж', 'офис', 'корпус'))} {_number(rng, 300)}"
    return text


def numbers(rng: Chooser) -> str:
    """Generate an amount, or a sequence of numbers as in a telephone number."""
    if rng.random() < 0.5:
        what = _one(rng, ("рублей", "долларов", "человек", "километров", "литров", "тонн", "процентов", "градусов"))
        return f"{_one(rng, ('всего', 'почти', 'около', 'ровно', 'итого', 'больше'))} {_number(rng, 999_999)} {what}"
    return " ".join(_number(rng, 99) for _ in range(int(rng.integers(3, 7))))


def time(rng: Chooser) -> str:
    """Generate a time of day or an appointment."""
    clock = f"{_number(rng, 24)} часов {_number(rng, 59)} минут"
    if rng.random() < 0.4:
        return f"{_one(rng, ('точное время', 'московское время', 'сейчас', 'местное время'))} {clock}"
    what = _one(rng, ("встреча", "собрание", "концерт", "урок", "поезд", "рейс", "фильм", "обед", "лекция", "матч"))
    return f"{what} в {_one(rng, WEEKDAYS)} {_one(rng, PARTS_OF_DAY)} в {clock}"


def taxi(rng: Chooser) -> str:
    """Generate a taxi order."""
    text = f"{_one(rng, REQUESTS)} от {_one(rng, PLACES_FROM)} до {_one(rng, PLACES_FROM)}"
    if rng.random() < 0.4:
        text += f" на {_number(rng, 24)} часов"
    if rng.random() < 0.5:
        text += f" {_one(rng, REMARKS)}"
    return text


def news(rng: Chooser) -> str:
    """Generate a sentence in the style of the news."""
    parts = [_one(rng, PARTS_OF_DAY)] if rng.random() < 0.5 else []
    parts += [_one(rng, SUBJECTS), _one(rng, VERBS), _one(rng, ADJECTIVES), _one(rng, OBJECTS)]
    if rng.random() < 0.6:
        parts.append(_one(rng, WHERE))
    if rng.random() < 0.2:
        parts += ["и", _one(rng, VERBS), _one(rng, ADJECTIVES), _one(rng, OBJECTS)]
    return " ".join(parts)


KINDS: dict[str, Callable[[Chooser], str]] = {
    "address": address,
    "numbers": numbers,
    "time": time,
    "taxi": taxi,
    "news": news,
}


def sentences(rng: Chooser, shares: dict[str, float], used: set[str]) -> Iterator[str]:
    """Generate distinct sentences endlessly, skipping those in `used` and adding every new one to it.

    Args:
        rng: source of randomness.
        shares: relative frequencies of the kinds in `KINDS`.
        used: sentences that must not be repeated, in any split.
    """
    kinds = list(shares)
    probabilities = np.array(list(shares.values())) / sum(shares.values())
    while True:
        text = KINDS[kinds[int(rng.choice(len(kinds), p=probabilities))]](rng)
        if text not in used:
            used.add(text)
            yield text
