#!/usr/bin/python3
"""Compares `llm-worker-rbee render` with Debian's python3-jinja2, set up as chat templates are.

    tests/golden/jinja-compare.py [BUILD] [WORD]

The snippets of jinja-snippets.txt, and the published templates in RBEE_TEST_DATA with several
conversations. Where the reference fails, so must we, with exit 1 and a line number. What differs on
purpose is listed in DIFFERENT with its reason. Exits 77, saying so, where python3-jinja2 is missing.
"""
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

try:
    import jinja2
    import jinja2.ext
    import jinja2.nodes
except ImportError:
    print("skipped: python3-jinja2 is not there")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")
WORKER = BUILD / "src/worker/llm-worker-rbee"
DATA = pathlib.Path(os.environ.get("RBEE_TEST_DATA", ROOT.parent / "shared/data"))
NOW = datetime.datetime(2025, 7, 10, 12, 0, 0)
NOW_UNIX = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())

VARIABLES = {
    "d": {"a": 1, "b": 2, "c": 3},
    "l": [1, 2, 3, 4, 5],
    "s": "hello",
    "schema": {"type": "array", "items": {"type": "string"}, "properties": {"x": {"type": "int"}}},
    "nested": {"list": [{"a": 1, "b": {"c": 2.5}}, {"a": "é", "b": {"c": None}}], "empty": [], "t": True},
    "people": [{"name": "Ann", "age": 30}, {"name": "Bob", "age": 20}, {"name": "Cy", "age": 30}],
    "msgs": [{"parts": [1, 2]}, {"parts": []}, {"parts": [3]}],
}

# Snippets in which we differ, and why.
DIFFERENT = {
    "{{ l[] }}": "an empty subscript is an error here, undefined there",
}
# A failure of the reference that is none here: map, select and their like make lists at once.
LAZY = "Object of type generator is not JSON serializable"


class Generation(jinja2.ext.Extension):
    """{% generation %}: the body, as a block of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("render"), [], [], body).set_lineno(line)

    def render(self, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.TemplateError(message)


def environment():
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True,
                             extensions=[Generation, "jinja2.ext.loopcontrols"])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


ENV = environment()


def reference(template, variables):
    """The text, or None and what went wrong."""
    try:
        return ENV.from_string(template).render(**json.loads(json.dumps(variables))), ""
    except Exception as error:  # any failure of the reference is one of the template
        return None, f"{type(error).__name__}: {error}"


def ours(template, variables):
    with tempfile.NamedTemporaryFile() as file:
        file.write(template.encode())
        file.flush()
        run = subprocess.run(
            [WORKER, "render", "--template", file.name, "--now", str(NOW_UNIX)],
            input=json.dumps(variables).encode(), capture_output=True, timeout=60)
    if run.returncode == 0:
        return run.stdout.decode(), ""
    return None, run.stderr.decode().strip()


def judge(case):
    """Whether the reference fails, and None when both agree, else what to print."""
    name, template, variables = case
    want, why = reference(template, variables)
    got, error = ours(template, variables)
    same = want == got and (want is not None or "template line " in error)
    if same or template in DIFFERENT or LAZY in why:
        return want is None, None
    at = 0
    while want and got and at < min(len(want), len(got)) and want[at] == got[at]:
        at += 1

    def show(text, what):
        return f"fails: {what}" if text is None else repr(text[max(0, at - 40):at + 60])

    return want is None, f"{name}\n    reference {show(want, why)}\n    ours      {show(got, error)}"


def snippets():
    for number, line in enumerate((HERE / "jinja-snippets.txt").read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"snippet {number}: {line}", line.replace("⏎", "\n"), VARIABLES


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather at a place.\nIn \"plain\" words.",
        "parameters": {"type": "object", "properties": {
            "place": {"type": "string", "description": "A city, as in \"Zürich\""},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": "integer", "minimum": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
            "where": {"type": "object", "properties": {"lat": {"type": "number"}}}},
            "required": ["place"]}}},
    {"type": "function", "function": {
        "name": "now", "description": "The time.",
        "parameters": {"type": "object", "properties": {}}}},
]


def call(name, arguments, number=1):
    return {"id": f"call{number:05d}", "type": "function",
            "function": {"name": name, "arguments": arguments}}


def conversations():
    system = {"role": "system", "content": "You are terse. <b>&\"'"}
    ask = {"role": "user", "content": "Hello, wörld!\n  How are you? "}
    tell = {"role": "assistant", "content": "Fine.\n"}
    think = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes.", "reasoning_content": "hm hm"}
    used = {"role": "assistant", "content": None,
            "tool_calls": [call("get_weather", {"place": "Zürich", "days": 2, "tags": ["a", "b"], "where": None})]}
    spoke = {"role": "assistant", "content": "Let me see.",
             "tool_calls": [call("get_weather", {"place": "Bern"}, 2), call("now", {}, 3)]}
    answer = {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": "{\"t\": 21.5}"}
    more = {"role": "tool", "tool_call_id": "call00002", "name": "get_weather", "content": "rain"}
    last = {"role": "tool", "tool_call_id": "call00003", "name": "now", "content": "12:00"}
    yield "user", {"messages": [ask]}
    yield "system", {"messages": [system, ask]}
    yield "turns", {"messages": [system, ask, tell, ask, tell, ask]}
    yield "turns without system", {"messages": [ask, tell, ask]}
    yield "reasoning", {"messages": [ask, think, ask, think]}
    yield "reasoning on", {"messages": [ask, think, ask], "enable_thinking": True, "thinking": True,
                           "think": True, "reasoning_effort": "high"}
    yield "reasoning off", {"messages": [ask], "enable_thinking": False, "thinking": False}
    yield "tools", {"messages": [system, ask], "tools": TOOLS}
    yield "tools, no system", {"messages": [ask, tell, ask], "tools": TOOLS}
    yield "tool used", {"messages": [ask, used, answer, tell, ask], "tools": TOOLS}
    yield "tools used", {"messages": [system, ask, spoke, more, last], "tools": TOOLS}
    yield "tool used, tools unknown", {"messages": [ask, used, answer]}
    yield "tool used after reasoning", {
        "messages": [ask, dict(spoke, reasoning_content="I should look."), more, last], "tools": TOOLS}
    yield "text parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"},
                                                                   {"type": "text", "text": "there"}]}]}
    yield "image part", {"messages": [{"role": "user", "content": [{"type": "image"},
                                                                   {"type": "text", "text": "What?"}]}]}
    yield "arguments as text", {"messages": [ask, {"role": "assistant", "content": "", "tool_calls": [
        call("get_weather", "{\"place\": \"Bern\"}")]}, answer], "tools": TOOLS}
    yield "no messages", {"messages": []}
    yield "no variables", {}
    yield "wrong order", {"messages": [tell, ask, ask]}
    yield "documents", {"messages": [ask], "documents": [{"title": "T", "text": "x\ny", "id": 3}]}
    yield "developer", {"messages": [{"role": "developer", "content": "Be kind."}, ask]}


def templates():
    folder = DATA / "chat-templates"
    if not folder.is_dir():
        print(f"the published templates are left out: {folder} is not there")
        return
    found = {path.name: path.read_text() for path in sorted((folder / "templates").glob("*.jinja"))}
    for item in json.loads((folder / "renderings.json").read_text()):
        found[item["name"]] = item["chat_template"]
    for name, text in found.items():
        for what, variables in conversations():
            for prompt in (True, False):
                yield f"{name}, {what}", text, dict(
                    variables, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>")


def main():
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    cases = [case for case in (*snippets(), *templates()) if word in case[0]]
    with ThreadPoolExecutor(4) as pool:
        judged = list(pool.map(judge, cases))
    wrong = [text for _, text in judged if text]
    for text in wrong:
        print(text)
    print(f"{len(cases) - len(wrong)} of {len(cases)} agree with Jinja {jinja2.__version__} "
          f"({sum(failing for failing, _ in judged)} of them are errors there)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
