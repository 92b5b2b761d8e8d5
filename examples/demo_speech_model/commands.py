"""What the demo speech model is trained on: spoken commands with a vocabulary of about 130 words, made at random."""

from __future__ import annotations

import random

ROOMS = ["kitchen", "bedroom", "garden", "office", "garage", "hallway"]
DEVICES = ["lights", "heater", "radio", "fan", "television", "speaker"]
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty"]
HOURS = NUMBERS[:-1]
UNITS = ["seconds", "minutes", "hours"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PARTS = ["morning", "afternoon", "evening"]
CITIES = ["London", "Paris", "Berlin", "Madrid", "Boston", "Chicago", "Tokyo", "Sydney"]
NAMES = ["Anna", "Peter", "Maria", "Thomas", "Julia", "Robert", "Emma", "David"]
MUSIC = ["jazz", "piano", "guitar", "dance", "country", "classical"]
MOODS = ["quiet", "happy", "slow", "loud"]
FOOD = ["apples", "bananas", "eggs", "tomatoes", "onions", "bottles of milk", "potatoes", "lemons"]
TASKS = ["call", "write to", "pay", "visit", "help", "meet"]

PATTERNS = [
    "please turn {switch} the {device} in the {room}",
    "turn {switch} the {room} {device}",
    "turn the {device} {switch}",
    "set a timer for {number} {unit}",
    "set the {device} in the {room} to {number}",
    "wake me up at {hour} in the {part}",
    "wake {name} up on {day} at {hour}",
    "what is the weather in {city} on {day}",
    "will it rain in {city} tomorrow {part}",
    "how far is {city} from {other_city}",
    "play some {mood} {music} music",
    "play {music} music in the {room}",
    "remind me to {task} {name} at {hour}",
    "remind {name} to {task} {other_name} on {day}",
    "add {number} {food} to the shopping list",
    "we need {number} {food} and {other_number} {other_food}",
    "is there a train to {city} at {hour} tomorrow {part}",
    "tell {name} that dinner is at {hour}",
    "open the {room} door",
    "close the door of the {room} please",
]


def make_command(order: random.Random) -> str:
    """Return a random command without punctuation."""
    cities, names = order.sample(CITIES, 2), order.sample(NAMES, 2)
    numbers, food = order.sample(NUMBERS, 2), order.sample(FOOD, 2)
    return order.choice(PATTERNS).format(
        switch=order.choice(["on", "off"]),
        device=order.choice(DEVICES),
        room=order.choice(ROOMS),
        number=numbers[0],
        other_number=numbers[1],
        unit=order.choice(UNITS),
        hour=order.choice(HOURS),
        part=order.choice(PARTS),
        day=order.choice(DAYS),
        city=cities[0],
        other_city=cities[1],
        name=names[0],
        other_name=names[1],
        mood=order.choice(MOODS),
        music=order.choice(MUSIC),
        task=order.choice(TASKS),
        food=food[0],
        other_food=food[1],
    )


def make_commands(count: int, seed: int, without: frozenset[str] = frozenset()) -> list[str]:
    """Return different commands, none of which is in ``without``."""
    order = random.Random(seed)
    commands: dict[str, None] = {}
    while len(commands) < count:
        command = make_command(order)
        if command not in without:
            commands[command] = None
    return list(commands)
