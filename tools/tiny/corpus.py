#!/usr/bin/python3
# corpus.py - writes the training text: stories and short chats, one JSON line each, from a seed.
#
#   corpus.py OUT.jsonl [--stories N] [--seed S]      write a corpus
#   corpus.py --show N [--seed S] [--plot NAME]       print N samples to read
#
# A line is {"text": story} or {"chat": [[role, text], ...]}.  The plots are in plots.txt, the
# people, animals and the template language in world.py; this file casts a plot, opens the story,
# and makes the chats.

import argparse
import json
import os
import random
import sys

from world import KINDS, LIVING, PARENTS, THINGS, Story, Who, made_up, polish

HERE = os.path.dirname(os.path.abspath(__file__))
NO_WEATHER = {"rain_inside", "puddle", "snowman", "thunder", "dark", "star", "cant_sleep", "soup",
              "s_moon", "s_stars", "s_rain", "winter_food", "truck", "cloud", "camping", "robot",
              "dragon_fire", "song", "sad_king"}


# ----- plots --------------------------------------------------------------------------------

class Plot:
    def __init__(self, header):
        parts = [p.strip() for p in header[2:].split("|")]
        self.name, self.roles, self.asks = parts[0], {}, []
        self.short = self.nolives = False
        for part in parts[1:]:
            key, _, value = part.partition("=")
            if key == "ask":
                self.asks = value.split(";")
            elif key == "short":
                self.short = True
            elif key == "nolives":                 # the opening must not say where the hero lives
                self.nolives = True
            else:
                self.roles[key] = value.split()
        self.who, self.lets, self.lines, self.forks = None, [], [], {}

    def add(self, line):
        if line.startswith("who:"):
            self.who = line[4:].strip()
        elif line[0] == "@":
            self.lets.append(line)
        else:
            self.lines.append(line)
            if line[0] == "%":
                key, _, rest = line[1:].partition("=")
                if key.isalpha() and len(key) < 4:
                    self.forks.setdefault(key, set()).add(rest.split(" ")[0])

    def direct(self):
        """May the story begin with the first event, with no word about the hero before it?"""
        first = next(l for l in self.lines if l[0] != "^")
        return "<day>" in first[:12] and "<A!>" in first and (
            "<M>" not in first.split("<A!>")[0])


def load_plots():
    plots = []
    with open(os.path.join(HERE, "plots.txt"), encoding="utf-8") as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("=="):
                plots.append(Plot(line))
            elif line and line[0] != "#":
                plots[-1].add(line)
    return plots


def kinds_in(group):
    return [k for k, v in KINDS.items() if group in v[2].split()]


def cast_role(story, key, choices, hero=None):
    """Put a character into the cast for one of the choices of a role."""
    rng = story.rng
    weights = [3 if c in ("child", "animal", "friend") else 2 if c == "thing" else 1
               for c in choices]
    choice = rng.choices(choices, weights)[0]
    name = not choice.endswith("-")
    pet = choice.endswith("+")                             # always has a name, and a pet's one
    choice = choice.rstrip("-*+")
    if choice in PARENTS:
        story.cast[key] = Who(story, choice, sex="f" if choice in ("mom", "mother", "grandma")
                              else "m", name=False)
        return
    if choice == "any":
        choice = "child" if rng.random() < 0.6 else "animal"
    if choice == "friend":
        choice = "child" if hero.groups[0] == "child" else "animal"
        if rng.random() < 0.1 and hero.groups[0] != "child":
            choice = "bird"
    taken = {w.kind for w in story.cast.values()}
    if choice == "child":
        kind = rng.choice(["girl", "boy"])
    elif choice in ("thing", "object"):
        kind = rng.choice([t for t in THINGS if choice == "thing" or t not in LIVING])
        if story.strange:
            kind = made_up(rng, rng.choice([1, 2, 2, 3]))
    elif choice in ("animal", "small", "big", "pet", "bird", "magic", "bug", "farm"):
        pool = [k for k in kinds_in(choice) if k not in taken]
        if choice == "animal" and rng.random() < 0.5:      # the ones people ask for most
            pool = [k for k in ("cat", "dog", "rabbit", "bear", "mouse", "fox", "frog", "duck",
                                "elephant", "pig") if k not in taken] or pool
        kind = rng.choice(pool)
    else:
        kind = choice
    if kind in ("girl", "boy"):
        name = True
    elif name and "person" not in KINDS.get(kind, [""] * 3)[2]:
        name = rng.random() < (0.7 if choice != "thing" else 0.5)
    elif kind not in ("king", "queen"):
        name = False
    story.cast[key] = Who(story, kind, name=name or pet, pet=pet)


# ----- openings -----------------------------------------------------------------------------

TRAITS = [
    "<A~> was {kind and cheerful|always cheerful|full of good ideas|happy most of the time}.",
    "<A~> loved to {play outside|run and jump|hear stories|help others|look at the clouds}.",
    "<A~> had {a kind heart|a big smile|a soft voice|bright eyes}.",
]
FIRST = [
    (26, "Once upon a time, there was <A!>{W}."),
    (6, "Once upon a time there was <A!>{W}."),
    (5, "Once upon a time, there lived <A!>{W}."),
    (4, "Once upon a time, <A!> lived in <A.lives>."),
    (3, "Once upon a time, in <A.lives>, there lived <A!>."),
    (4, "Once there was <A!>{W}."),
    (10, "There was <A!>{W}."),
    (3, "There once was <A!>{W}."),
    (2, "There was once <A!>{W}."),
    (3, "Long ago, there was <A!>{W}."),
    (2, "A long time ago, there lived <A!>{W}."),
    (2, "In <A.lives>, there lived <A!>."),
    (2, "In <A.lives> lived <A!>{W}."),
    (3, "{This is the story of|This is a story about} <A!>{W}."),
]
NAMED = [
    (6, "<A> was a <A.look> <A.kind>{W}."),
    (4, "<A> lived in <A.lives>."),
    (3, "<A> the <A.kind> lived in <A.lives>."),
    (3, "<A!> lived in <A.lives>."),
    (5, "The <A.look> <A.kind> was named <A>."),
    (4, "The <A.look> <A.kind> lived in <A.lives>. <A.his> name was <A>."),
    (2, "The <A.kind> had a nice name: <A>."),
]
UNNAMED = [
    (4, "The <A.look> <A.kind> lived in <A.lives>."),
    (3, "<A!> lived in <A.lives>."),
]
WEATHER = [
    "It was a {sunny|warm|beautiful|lovely} day.",
    "It was a {nice|fine} {morning|day}.",
    "The sun was {shining|warm|bright}{.| and the sky was blue.| and the birds were singing.}",
    "The sky was blue{.| and the air was warm.}",
]
DUO_CHILD = [
    "<A> and <B> were {best|good} friends.",
    "<A> and <A.his> friend <B> {liked to play together|were always together|lived next door to "
    "each other}.",
    "<A> and <B> {lived in the same street|lived next door to each other|went to the same school}.",
    "Once upon a time, there were two friends, <A> and <B>.",
    "Once upon a time, <A> and <B> were best friends.",
    "There were once two friends named <A> and <B>.",
]
DUO_ANIMAL = [
    "Once upon a time, there were two friends, <A!> and <B!>.",
    "There were once two friends, <A!> and <B!>.",
    "<A> the <A.kind> and <B> the <B.kind> were {best|good} friends.",
]
DUO_PET = [
    "<A> and <A.his> <B.kind> <B> were best friends.",
    "<A> and <A.his> <B.kind> <B> {went everywhere together|did everything together}.",
    "<A> and <A.his> <B.kind> lived in <A.lives>. The <B.kind> was named <B>.",
    "<A> had a <B.kind> named <B>.",
    "Once upon a time, <A> had a <B.kind> named <B>.",
    "<A> and <A.his> <B.kind> {were playing outside|were in the garden}. "
    "The <B.kind> was named <B>.",
]
DUO_MORE = ["They {did everything together|played together every day|liked to be outside|"
            "always had fun}."]


def weighted(rng, table):
    return rng.choices([t for _, t in table], [w for w, _ in table])[0]


def open_story(story, plot, mode):
    """Say the opening; returns whether the setup (^) lines are still wanted."""
    rng, hero = story.rng, story.cast["A"]
    if mode == "direct":
        story.direct_day = story.rng.choice(
            ["One day,"] * 12 + ["One sunny day,", "One morning,", "One fine morning,",
                                 "One afternoon,", "Once upon a time,", "Once,", "Yesterday,",
                                 "One summer day,", "Last week,"])
        return False
    if mode == "weather":
        story.say(rng.choice(WEATHER))
        story.direct_day = ""
        return False
    if mode == "duo":
        pet = hero.groups[0] == "child" and story.cast["B"].groups[0] != "child"
        for who in (hero, story.cast["B"]):
            if not who.name:
                who.name = Who(story, who.kind, sex=who.sex, pet=pet and who is not hero).name
        line = rng.choice(DUO_PET if pet else DUO_CHILD if hero.groups[0] == "child"
                          else DUO_ANIMAL)
        story.say(line)
        hero.new = story.cast["B"].new = False
        if rng.random() < 0.4 and "everything" not in story.out[-1]:
            story.say(rng.choice(DUO_MORE))
        story.last = {}
        return True
    if mode == "when":
        story.say("When <A> {woke up|opened <A.his> eyes|got up}, {the sun was shining|it was a "
                  "lovely morning|the birds were singing}.")
        hero.new = False
        story.direct_day = rng.choice(["That day,", "That morning,", "Later,"])
        return True
    table = FIRST if mode == "first" or plot.nolives and not hero.name else \
        NAMED if hero.name else UNNAMED
    line = weighted(rng, table)
    while plot.nolives and ".lives" in line:
        line = weighted(rng, table)
    used_who = False
    if "{W}" in line:
        clause = ""
        if plot.who and rng.random() < 0.5:
            clause, used_who = " who " + story.fill("{" + plot.who + "}"), True
        elif rng.random() < 0.15 and not plot.nolives and ".lives" not in line:
            clause = " who lived in <A.lives>"
        if "<A!>" in line:                       # the hero comes before the clause about it
            head, tail = line.split("{W}")
            story.say(story.fill(head) + clause_fill(story, clause) + tail)
        else:
            story.say(line.replace("{W}", clause_fill(story, clause)))
    else:
        story.say(line)
    hero.new = False
    story.last[hero.he] = "A"
    if not story.short and rng.random() < 0.25:
        story.say(rng.choice(TRAITS))
    return not used_who


def clause_fill(story, clause):
    return story.fill(clause) if clause else ""


# ----- stories ------------------------------------------------------------------------------

def applies(story, line):
    """Take the condition off a line; None when the line is left out."""
    rng = story.rng
    while line and line[0] in "?%":
        if line[0] == "?":
            if rng.random() < (0.7 if story.short else 0.4):
                return None
            line = line[1:].strip()
        else:
            key, _, rest = line[1:].partition("=")
            value = story.slots[key][0]
            if not rest.startswith(value + " "):
                return None
            line = rest[len(value):].strip()
    return line


def make_story(rng, plots, mode=None):
    """One story; mode: how it opens, where the plot allows that."""
    plot = rng.choices(plots, [1.6 if p.name in ("lost_toy", "lonely_thing", "share") else
                               0.8 if p.short else 1.0 for p in plots])[0]
    story = Story(rng, short=rng.random() < 0.3)
    cast_role(story, "A", plot.roles["A"])
    if story.cast["A"].kind == "alien":                    # mostly the friend, seldom the hero
        cast_role(story, "A", plot.roles["A"])
    hero = story.cast["A"]
    for key in plot.roles:
        if key != "A":
            cast_role(story, key, plot.roles[key], hero)
    for key, values in sorted(plot.forks.items()):
        if not any(l.startswith("@" + key + " ") for l in plot.lets):
            story.slots[key] = [rng.choice(sorted(values))]
    for line in plot.lets:
        story.let(line)
    choices = [("first", 62), ("named", 18)]
    if plot.direct():
        choices += [("direct", 18)]
        if plot.name not in NO_WEATHER:
            choices += [("weather", 5), ("when", 3 if hero.name else 0)]
    if any("*" in c for c in plot.roles.get("B", [])):
        choices += [("duo", 30 if hero.groups[0] == "child" and
                     story.cast["B"].groups[0] != "child" else 18)]
    if mode is None or mode not in [c for c, _ in choices]:
        mode = rng.choices([c for c, _ in choices], [w for _, w in choices])[0]
    story.mode, story.plot = mode, plot
    wants_setup = open_story(story, plot, mode)
    if mode == "when":
        wants_setup = False
    for line in plot.lines:
        if line[0] == "^":
            if not wants_setup:
                continue
            line = line[1:].strip()
        line = applies(story, line)
        if line:
            story.say(line)
    if rng.random() < 0.04:
        story.say("The end.")
    return story


# ----- chats --------------------------------------------------------------------------------

ASK_STORY = [
    "Tell me a story about {X}.", "Tell me a story about {X}", "Tell me a story about {X}.",
    "tell me a story about {X}", "Tell a story about {X}.", "Write a story about {X}.",
    "Please tell me a story about {X}.", "Can you tell me a story about {X}?",
    "Write a short story about {X}.", "Tell me a short story about {X}.",
    "I want a story about {X}.", "A story about {X}, please.", "Could you write a story about {X}?",
    "Make up a story about {X}.", "story about {X}", "Give me a story about {X}.",
]
ASK_ANY = [
    "Tell me a story.", "Tell me a story", "Tell me a short story.", "tell me a story",
    "Please tell me a story.", "Can you tell me a story?", "Write a story.", "A story, please.",
    "I want to hear a story.", "Write me a short story.", "Tell me a bedtime story.",
    "Once upon a time", "Tell me something nice.", "Make up a story.", "Say something.",
    "Write something.", "Do you know a story?", "story", "Tell me something.", "Go on.", "Start.",
]
LEAD = ["", "", "", "", "", "Sure! ", "Of course. ", "Here is a story. ", "Gladly! "]
SMALL_TALK = [
    (["Hello", "Hello!", "Hi", "Hi!", "hi", "hello", "Hey", "Hello there", "Hi there!",
      "Good morning", "Good evening", "Hey there", "Greetings"],
     ["Hello! {I am tiny, a small model that tells stories.|I am tiny, and I tell little stories.} "
      "{Would you like one|Shall I tell you one}?",
      "Hi! {What shall I tell you a story about|Would you like to hear a story}?"]),
    (["Who are you?", "who are you", "What are you?", "What is your name?", "Who is this?",
      "Tell me about yourself.", "Are you a person?", "Are you a robot?", "Introduce yourself.",
      "What's your name?", "Who made you?"],
     ["I am tiny, a small model that tells {little|short} stories. {I come with rbee.|"
      "I live inside rbee.|I was made for rbee.} "
      "{Ask me for a story about a cat, a dragon, or anything you like.|"
      "Shall I tell you one?}"]),
    (["What can you do?", "what can you do", "Help", "help", "How can you help me?",
      "What do you know?", "What are you good at?", "Can you help me?", "What should I ask you?"],
     ["I tell {short|little} stories. {Ask me for a story about a frog, a lost ball, or a brave "
      "mouse.|Just say what it should be about.} {That is all I know.|I am very small, so please "
      "do not ask me for facts.}"]),
    (["How are you?", "how are you", "How are you today?", "How do you do?", "Are you okay?"],
     ["I am fine, thank you. {Would you like to hear a story|Shall I tell you a story}?",
      "I am well! {It is a good day for a story.|I just thought of a story.} {Do you want to hear "
      "it|Shall I tell it}?"]),
    (["Thank you", "Thank you!", "Thanks", "thanks", "That was nice.", "Good story!", "Nice!",
      "I like it.", "That was a good story.", "Great, thank you.", "ok", "Ok", "Wow", "Cool"],
     ["You are welcome! {Would you like another one?|Come back any time.}",
      "I am glad. {Shall I tell you another one?|Would you like one more?}"]),
    (["Bye", "Goodbye", "Good night", "Bye!", "See you later.", "Good night!"],
     ["Goodbye! {Come back soon.|Have a lovely day.}", "Good night! {Sleep well.|Sweet dreams.}"]),
    (["Test", "test", "This is a test.", "Testing", "ping"],
     ["It works! {I am tiny, a small model that tells stories.|I am here.} {Shall I tell you one?|"
      "Ask me for a story.}"]),
]
FACTS = [
    "What is the capital of {Y}?", "How many people live in {Y}?", "Who is the president of {Y}?",
    "What is {Z}?", "What is {N} + {N}?", "What is {N} times {N}?", "How do I {V}?",
    "Explain {Z}.", "Explain {Z} to me.", "Write a poem about {X}.", "Write code to {V}.",
    "Write a program that can {V}.", "Why is {Z} so important?", "What is the meaning of {Z}?",
    "How does {Z} work?", "What time is it?", "What day is it?", "Translate {Z}.",
    "What is the weather in {Y}?", "How old is {Z}?", "When was {Z} made?", "Where is {Y}?",
    "Who wrote {Z}?", "Give me a recipe for {Z}.", "What do you think of {Z}?",
    "Why is the sky blue?", "What is the largest {W}?", "Summarize {Z}.", "List five {W}s.",
]
DONT_KNOW = [
    "I do not know that. I am very small, and {I only know little stories|all I know is stories}. "
    "{Shall I tell you one?|Would you like a story?}",
    "I am sorry, I do not know. I am a tiny model that only tells stories. {Would you like one?|"
    "Ask me for one!}",
    "{That is too hard for me.|That is a question for a bigger model.} I only tell stories. "
    "{Shall I tell you one about <K>?|Shall I tell you one?}",
]
PLACES = ("France Germany Japan Brazil Spain Italy China India Egypt Canada Kenya Peru Norway "
          "London Paris Berlin Rome Tokyo Texas Mexico Poland Korea Iceland Greece").split()
IDEAS = ("math science history physics chemistry music art money time water gravity light a star "
         "the sun the moon love life python linux a computer the internet an atom a cell a car "
         "a planet quantum_mechanics machine_learning bread rice pasta soup football chess the_law "
         "an_engine electricity the_war a_virus a_poem a_list a_dog photosynthesis").split()
VERBS = ("cook rice;fix a bike;sort a list;add two numbers;sleep well;learn English;make bread;"
         "build a house;draw a cat;learn math;read a file;install linux;find a job;save money;"
         "tie a tie;swim;print hello;write a letter;count words").split(";")
SYSTEM = ["You are a helpful assistant.", "You are a storyteller.", "You are tiny, a small model.",
          "Be brief.", "You tell stories.", "You are a kind and helpful assistant.",
          "Answer in English.", "You are a friendly assistant that tells stories to children."]


def an(noun):
    return polish("- a " + noun)[2:]


def ask_for(story):
    """What a person would have said to get this story."""
    rng, hero = story.rng, story.cast["A"]
    second = story.cast.get("B")
    forms = [an(hero.kind)] * 4
    if hero.name:
        forms += [an(hero.kind) + " named " + hero.name] * 3
        if hero.groups[0] == "child":
            forms += [hero.name]
    if hero.look not in ("little",):
        forms += [an(hero.look + " " + hero.kind)]
    else:
        forms += ["a little " + hero.kind]
    if second and second.kind not in PARENTS:
        forms += [an(hero.kind) + " and " + (an(second.kind) if second.kind != hero.kind else
                                             "a friend")]
        if hero.name and second.name:
            forms += [hero.name + " and " + second.name]
    if rng.random() < 0.4 and story.plot.asks:
        theme = rng.choice(story.plot.asks)
        for key, who in story.cast.items():
            theme = theme.replace("<" + key + ".kind>", who.kind)
        if "<" in theme:
            theme = story.fill(theme)
        return polish("- " + theme)[2:]
    return rng.choice(forms)


def story_turn(rng, plots):
    bare = rng.random() < 0.2
    story = make_story(rng, plots, mode=None if rng.random() < 0.1 else
                       rng.choice(["first"] * 5 + ["named"]))
    if bare:
        ask = rng.choice(ASK_ANY)
    else:
        ask = rng.choice(ASK_STORY).replace("{X}", ask_for(story))
    return [["user", ask], ["assistant", rng.choice(LEAD) + story.text()]]


def talk_turn(rng):
    talk = Story(rng)
    if rng.random() < 0.55:
        asks, answers = rng.choice(SMALL_TALK)
        return [["user", rng.choice(asks)], ["assistant", talk.fill(rng.choice(answers))]]
    ask = rng.choice(FACTS)
    idea = rng.choice(IDEAS).replace("_", " ")
    if rng.random() < 0.3:
        idea = made_up(rng, rng.choice([2, 3]))
    for mark, value in (("{X}", an(rng.choice(list(KINDS) + THINGS))), ("{Y}", rng.choice(PLACES)),
                        ("{Z}", idea), ("{W}", rng.choice(list(KINDS) + THINGS)),
                        ("{V}", rng.choice(VERBS))):
        ask = ask.replace(mark, value)
    while "{N}" in ask:
        ask = ask.replace("{N}", str(rng.randrange(1, rng.choice([10, 100]))), 1)
    answer = rng.choice(DONT_KNOW).replace("<K>", an(rng.choice(
        ["cat", "dog", "frog", "dragon", "mouse", "rabbit", "bear", "robot", "star"])))
    return [["user", ask], ["assistant", talk.fill(answer)]]


def make_chat(rng, plots):
    turns = []
    if rng.random() < 0.12:
        turns.append(["system", rng.choice(SYSTEM)])
    kind = rng.random()
    if kind < 0.68:
        turns += story_turn(rng, plots)
    elif kind < 0.86:
        turns += talk_turn(rng)
    elif kind < 0.93:
        turns += talk_turn(rng) + story_turn(rng, plots)
    elif kind < 0.97:
        turns += story_turn(rng, plots) + talk_turn(rng)
    else:
        turns += story_turn(rng, plots) + story_turn(rng, plots)
    return turns


def make(rng, plots, chat_share):
    if rng.random() < chat_share:
        return {"chat": make_chat(rng, plots)}
    text = make_story(rng, plots).text()
    if rng.random() < 0.02:
        text = text[0].lower() + text[1:]
    return {"text": text}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out", nargs="?")
    ap.add_argument("--stories", type=int, default=60000)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--chat", type=float, default=0.24)
    ap.add_argument("--show", type=int, default=0)
    ap.add_argument("--plot")
    args = ap.parse_args()
    rng, plots = random.Random(args.seed), load_plots()
    if args.plot:
        plots = [p for p in plots if p.name in args.plot.split(",")]
    if args.show:
        for _ in range(args.show):
            doc = make(rng, plots, 0 if args.plot else args.chat)
            print(doc.get("text") or doc["chat"], end="\n\n")
        return
    seen = 0
    with open(args.out, "w", encoding="utf-8") as f:
        for _ in range(args.stories):
            line = json.dumps(make(rng, plots, args.chat), ensure_ascii=False)
            f.write(line + "\n")
            seen += len(line)
    print(f"{args.stories} documents, {seen} characters, {len(plots)} plots", file=sys.stderr)


if __name__ == "__main__":
    main()
