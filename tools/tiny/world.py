# world.py - the small world the stories are told in: who lives there, and how a template becomes
# English.
#
# A Story keeps the cast, the things picked for this story and who was spoken of last; its say()
# expands one template into text.  The template language (used by plots.txt and corpus.py):
#
#   {a|b|c}      one of these, may nest           [text]      this text, or nothing
#   <o>          a thing picked by an @ line: in full where it is first named ("red ball"), short
#                after that ("ball");  <o.full> <o.short> <o.2>: that form, always
#   <A!>         a character, introduced if new ("a little girl named Lily"), else the name
#   <A>          the name ("Lily", or "the rabbit" when it has none)
#   <B+>         a pet, introduced if new ("her dog Spot"), else the name
#   <A~> <A^>    as subject / as object: a pronoun where that is clear, else the name
#   <A.he> <A.him> <A.his> <A.himself> <A.own> ("Lily's") <A.kind> <A.lives> <A.look> <A.call>
#   <M>          the parent of A ("her mom");     <day>       "One day," and the like

import re

# The first names of each list are the most frequent ones (see zipf).
GIRLS = ("Lily Mia Anna Sara Lucy Emma Rose Zoe Ella Ruby Clara Nina Molly Amy Kate Jane Maya Ivy "
         "Nora Polly Grace Alice Holly Sally Aisha Mei").split()
BOYS = ("Tom Ben Sam Max Tim Jack Leo Finn Noah Oscar Peter Billy Adam Joe Nick Luke Henry "
        "Paul Theo Alex Fred Toby George Omar Ravi Felix").split()
PETS_HE = "Spot Rex Pip Milo Buddy Rusty Charlie Biscuit Teddy Bruno Gus Patch".split()
PETS_SHE = "Bella Coco Luna Fluffy Pepper Honey Ginger Poppy Hazel Misty Pearl Dotty".split()


def zipf(rng, words):
    """The n-th word with a chance like 1/(n+2): some names are common, and the others are not."""
    return rng.choices(words, [1 / (n + 2) for n in range(1, len(words) + 1)])[0]


# kind: looks, where it lives, groups it belongs to
KINDS = {
    "cat": ("little,white,black,gray,fluffy", "a house with a blue door", "animal pet"),
    "dog": ("little,brown,spotted,big,friendly", "a house by the road", "animal pet"),
    "kitten": ("small,gray,tiny,soft", "a warm kitchen", "animal pet"),
    "puppy": ("small,brown,playful,happy", "a small house", "animal pet"),
    "rabbit": ("little,white,brown,young", "a hole under a hill", "animal"),
    "bear": ("little,brown,young,big", "a cave in the forest", "animal big"),
    "fox": ("little,red,young,clever", "a den in the woods", "animal"),
    "mouse": ("little,tiny,gray,small", "a hole in the wall", "animal small"),
    "squirrel": ("little,red,quick,busy", "a tall oak tree", "animal small"),
    "hedgehog": ("little,shy,small,round", "a pile of leaves", "animal small"),
    "turtle": ("little,green,slow,old", "a quiet pond", "animal"),
    "frog": ("little,green,small,happy", "a pond", "animal small"),
    "duck": ("little,yellow,young,white", "a pond on a farm", "animal"),
    "pig": ("little,pink,round,funny", "a farm", "animal farm"),
    "sheep": ("little,white,woolly,young", "a farm on a hill", "animal farm"),
    "cow": ("brown,gentle,young,big", "a farm", "animal big farm f"),
    "horse": ("brown,young,strong,gentle", "a farm", "animal big farm"),
    "goat": ("little,white,hungry,young", "a green hill", "animal farm"),
    "hen": ("red,little,busy,brown", "a farm", "farm f"),
    "monkey": ("little,funny,young,quick", "a tall tree in the jungle", "animal"),
    "elephant": ("little,big,gray,young", "the jungle", "animal big"),
    "lion": ("young,proud,big,strong", "the grassland", "animal big"),
    "penguin": ("little,young,small,funny", "a land of ice and snow", "animal"),
    "deer": ("little,young,shy,gentle", "the quiet woods", "animal"),
    "badger": ("old,little,gruff,kind", "a den in the woods", "animal"),
    "owl": ("old,wise,gray,small", "a hollow tree", "bird"),
    "bird": ("little,blue,small,yellow", "a nest in a tall tree", "bird small"),
    "crow": ("black,clever,old,young", "a tall tree", "bird"),
    "bee": ("little,busy,tiny,yellow", "a hive in the garden", "bug"),
    "ant": ("little,tiny,busy,black", "a hill of sand", "bug"),
    "butterfly": ("blue,yellow,pretty,small", "a garden", "bug"),
    "caterpillar": ("little,green,hungry,slow", "a big leaf", "crawler"),
    "ladybug": ("little,red,tiny,shy", "a garden", "bug"),
    "snail": ("little,slow,small,quiet", "a garden", "bug"),
    "fish": ("little,orange,silver,small", "a clear lake", "sea"),
    "whale": ("big,blue,gentle,old", "the deep sea", "sea"),
    "dolphin": ("young,gray,playful,friendly", "the warm sea", "sea"),
    "crab": ("little,red,shy,small", "the beach", "sea"),
    "dragon": ("little,green,young,friendly", "a cave on a mountain", "magic"),
    "robot": ("little,silver,shiny,small", "a workshop in the town", "magic"),
    "unicorn": ("white,young,gentle,shy", "a forest of silver trees", "magic"),
    "fairy": ("tiny,kind,young,small", "a garden of roses", "magic f"),
    "giant": ("big,gentle,lonely,kind", "a castle on a hill", "magic m"),
    "ghost": ("little,shy,white,friendly", "an old house", "magic"),
    "princess": ("young,kind,brave,clever", "a tall castle", "royal f"),
    "prince": ("young,kind,brave,lonely", "a tall castle", "royal m"),
    "king": ("old,kind,rich,sad", "a big castle", "crown m"),
    "queen": ("kind,wise,old,good", "a big castle", "crown f"),
    "knight": ("brave,young,kind,strong", "a castle by a lake", "hero"),
    "pirate": ("brave,young,funny,old", "a small ship", "hero"),
    "wizard": ("old,wise,kind,funny", "a tower in the hills", "spell m"),
    "witch": ("old,kind,funny,young", "a hut in the woods", "spell f"),
    "man": ("old,kind,tired", "a small house", "person m"),
    "woman": ("old,kind,gentle", "a small house", "person f"),
    "farmer": ("old,kind,friendly", "a farm", "person"),
    "baker": ("kind,old,jolly", "a small shop", "person"),
    "teacher": ("kind,young,friendly", "the town", "person"),
    "fisherman": ("old,kind,quiet", "a hut by the sea", "person m"),
}
THINGS = ("car train boat star cloud kite tree flower book lamp clock shoe spoon teapot bus "
          "truck tractor toy doll balloon stone leaf drum bell hat cup chair key button pencil "
          "snowman rocket plane bike moon sun river pumpkin potato cookie sock dinosaur monster "
          "alien mermaid panda tiger wolf zebra giraffe camel donkey koala kangaroo octopus "
          "shark seal lizard snake bat worm spider rat wombat parrot swan chicken elf troll "
          "vampire ninja doctor cowboy astronaut chef tomato banana pizza computer phone window "
          "door bridge house mountain candle pillow broom bucket marble carrot mushroom apple "
          "pear lemon").split()
LIVING = ("dinosaur monster alien mermaid panda tiger wolf zebra giraffe camel donkey koala "
          "kangaroo octopus shark seal lizard snake bat worm spider rat wombat parrot swan "
          "chicken elf troll vampire ninja doctor cowboy astronaut chef snowman sun moon star "
          "cloud river house mountain bridge tree bus truck plane rocket").split()
CHILD_LOOKS = ("little " * 9 + "young kind happy clever brave quiet cheerful small curious "
               "smart").split()
CONS, VOWS = "b d f g j k l m n p r s t v w z br dr fl gr pl tr".split(), "a e i o u".split()


def made_up(rng, parts):
    """A word nobody has seen: the net must learn to copy the name it is given."""
    w = "".join(rng.choice(CONS) + rng.choice(VOWS) for _ in range(parts))
    return w + rng.choice(["", "", "n", "x", "m", "l", "p", "k"])


class Who:
    """One character: kind, name (or None), pronouns, and how to speak of it."""

    def __init__(self, story, kind, sex=None, name=True, pet=False):
        rng, self.kind = story.rng, kind
        looks, self.lives, groups = KINDS.get(
            kind, ("little,small,happy", "a quiet little town", "thing"))
        self.groups = groups.split()
        if kind in ("girl", "boy"):
            self.groups = ["child"]
            sex = "f" if kind == "girl" else "m"
            self.lives = rng.choice(["a small village", "a small house by the sea", "the town",
                                     "a house near the woods", "a small white house",
                                     "a little town", "a tall house in the city", "a farm"])
        if not sex:
            sex = "f" if "f" in self.groups else "m" if "m" in self.groups else rng.choice("fm")
        self.sex = sex
        if sex == "f":
            self.he, self.him, self.his, self.himself = "she", "her", "her", "herself"
        else:
            self.he, self.him, self.his, self.himself = "he", "him", "his", "himself"
        self.name = None
        if name is True:
            child = self.groups[:1] == ["child"] or "royal" in self.groups or "hero" in self.groups
            pool = (GIRLS if sex == "f" else BOYS) if child else (
                PETS_SHE if sex == "f" else PETS_HE)
            if not child and not pet and rng.random() < 0.2:
                pool = GIRLS if sex == "f" else BOYS
            self.name = story.fresh_name(pool)
        elif name:
            self.name = name
        self.look = rng.choice(CHILD_LOOKS if self.groups[:1] == ["child"]
                                       else looks.split(","))
        self.new = True

    @property
    def call(self):
        """How one speaks to it."""
        return self.name or self.kind

    def called(self):
        return self.name or "the " + self.kind

    def intro(self, rng):
        base = "a " + self.look + " " + self.kind
        if self.name:
            return base + (" named " if rng.random() < 0.85 else " called ") + self.name
        return base


DAYS = ["One day,"] * 8 + ["One sunny day,", "One morning,", "One afternoon,", "One fine day,",
                           "One bright morning,", "One warm day,"]


class Story:
    def __init__(self, rng, short=False):
        self.rng, self.short = rng, short
        self.cast, self.slots, self.named = {}, {}, set()
        self.used_names, self.streak, self.out = set(), 0, []
        self.last = {}                              # pronoun: the one last spoken of that has it
        self.strange = rng.random() < 0.04          # this story's names are made-up words
        self.direct_day = None                      # set while the opening is still to come

    def fresh_name(self, pool):
        if self.strange and self.rng.random() < 0.8:
            name = made_up(self.rng, self.rng.choice([1, 2, 2, 3])).capitalize()
            if len(name) > 2:
                return name
        while True:
            name = zipf(self.rng, pool)
            if name not in self.used_names and name[:2] not in {n[:2] for n in self.used_names}:
                self.used_names.add(name)
                return name

    # ----- who is meant ---------------------------------------------------------------------

    def mention(self, key):
        who = self.cast[key]
        self.last[who.he] = key

    def clear(self, key):
        who = self.cast[key]
        return self.last.get(who.he) == key

    def subject(self, key):
        who, rng = self.cast[key], self.rng
        if who.new:
            return self.introduce(key)
        if self.clear(key) and self.streak < 3 and rng.random() < 0.8:
            self.streak += 1
            return who.he
        self.streak = 0
        self.mention(key)
        return self.noun(key)

    def noun(self, key):
        """The name; now and then "the rabbit" or "the little girl" for it."""
        who = self.cast[key]
        same = [w for w in self.cast.values() if w.kind == who.kind]
        if who.name and len(same) == 1 and self.rng.random() < 0.12:
            if who.groups[:1] == ["child"]:
                return "the little " + who.kind if who.look in ("little", "small", "young") \
                    else "the " + who.kind
            return "the " + who.kind
        return who.called()

    def introduce(self, key):
        who = self.cast[key]
        self.mention(key)
        self.streak = 0
        if not who.new:
            return who.called()
        who.new = False
        return who.intro(self.rng)

    def parent(self, key):
        a = self.cast["A"]
        self.mention(key)
        other = self.last.get(a.he)
        own = a.his if other in (None, "A", key) else a.called() + "'s"
        return own + " " + self.cast[key].kind

    def lookup(self, ref):
        if ref == "day":
            if self.direct_day is not None:
                day, self.direct_day = self.direct_day, None
                return day
            return self.rng.choice(DAYS)
        key, form = ref, ""
        if ref[-1] in "!~^+":
            key, form = ref[:-1], ref[-1]
        elif "." in ref:
            key, form = ref.split(".", 1)
        if key in self.cast:
            who = self.cast[key]
            if who.kind in PARENTS and form in ("", "!", "~", "^"):
                if form in ("~", "^") and self.clear(key) and self.rng.random() < 0.6:
                    return who.he if form == "~" else who.him
                return self.parent(key)
            if form == "":
                self.mention(key)
                self.streak = 0
                who.new = False
                return who.called()
            if form == "!":
                return self.introduce(key)
            if form == "~":
                return self.subject(key)
            if form == "+":
                new, who.new = who.new, False
                self.mention(key)
                return self.cast["A"].his + " " + who.kind + " " + who.name if new else who.name
            if form == "^":
                if self.clear(key) and self.rng.random() < 0.75:
                    return who.him
                self.mention(key)
                return who.called()
            if form == "the":
                self.mention(key)
                return "the " + who.kind
            if form == "own":                                   # possessive of the name
                self.mention(key)
                return who.called() + "'s"
            value = getattr(who, form)
            if form in ("he", "him", "his", "himself"):
                self.last[who.he] = key
            return value
        fields = self.slots[key]
        if form == "full":
            self.named.add(key)
            return fields[0]
        if form == "short":
            return fields[1] if len(fields) > 1 else fields[0]
        if form:
            return fields[int(form)]
        if key in self.named and len(fields) > 1:
            return fields[1]
        self.named.add(key)
        return fields[0]

    # ----- templates ------------------------------------------------------------------------

    def pick(self, text):
        """Resolve {..|..} and [..] from the outside in."""
        i = 0
        while i < len(text):
            if text[i] in "{[":
                depth, j, cuts = 0, i, []
                while True:
                    if text[j] in "{[":
                        depth += 1
                    elif text[j] in "}]":
                        depth -= 1
                        if not depth:
                            break
                    elif text[j] == "|" and depth == 1:
                        cuts.append(j)
                    j += 1
                if text[i] == "[":
                    keep = self.rng.random() < (0.25 if self.short else 0.5)
                    choice = text[i + 1:j] if keep else ""
                else:
                    edges = [i] + cuts + [j]
                    n = self.rng.randrange(len(edges) - 1)
                    choice = text[edges[n] + 1:edges[n + 1]]
                text = text[:i] + choice + text[j + 1:]
            else:
                i += 1
        return text

    def fill(self, template):
        text = self.pick(template)
        return re.sub(r"<([^<>]+)>", lambda m: self.lookup(m.group(1)), text)

    def say(self, template):
        text = polish(self.fill(template))
        if text:
            self.out.append(text)

    def let(self, line):
        """@o = {red ball/ball|blue car/car}: pick once for the whole story."""
        key, value = line[1:].split("=", 1)
        self.slots[key.strip()] = [f.strip() for f in self.fill(value.strip()).split("/")]

    def text(self):
        return " ".join(self.out)


PARENTS = ("mom", "dad", "mother", "father", "grandma", "grandpa")
IN_ON = lambda m: ("O" if m.group(1) == "I" else "o") + "n " + m.group(2)
SOUNDS_LIKE_U = ("unicorn", "useful", "one", "uniform")


def polish(text):
    """Articles, capitals and spaces."""
    text = re.sub(r" +", " ", text).strip()
    text = re.sub(r" ([.,!?])", r"\1", text)

    def article(m):
        word = m.group(2)
        an = word[0].lower() in "aeiou" and not word.lower().startswith(SOUNDS_LIKE_U)
        return m.group(1) + ("n " if an else " ") + word
    text = re.sub(r"\b([Aa]) (\w+)", article, text)
    # capitals: at the start, after the end of a sentence (but: "Boom!" it went; Boom! went the
    # thunder; out came... a butterfly), and at the start of speech
    text = re.sub(r'^([a-z])', lambda m: m.group(1).upper(), text)
    text = re.sub(r'((?:[!?]|(?<!\.)\."?) )(?!went )([a-z])',
                  lambda m: m.group(1) + m.group(2).upper(), text)
    text = re.sub(r'((?:^|[.!?:]"? )")([a-z])', lambda m: m.group(1) + m.group(2).upper(), text)
    text = re.sub(r"\b([Ii])n ((?:a|the) (?:farm|beach|green hill|big leaf|small ship)\b)", IN_ON,
                  text)
    return text
