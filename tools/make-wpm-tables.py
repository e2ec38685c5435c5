#!/usr/bin/python3
"""Writes src/engine/tok/wpm_tables.h: what WordPiece must know of Unicode's characters.

    make-wpm-tables.py > src/engine/tok/wpm_tables.h

The source is Python's unicodedata; its version is told in the file. Three tables, sorted:

  classes  ranges that are dropped, end a word, stand alone as a word, or are marks that are stripped
  bases    characters whose canonical decomposition, less its marks, is one to three others (but not
           the syllables of Hangul, which are computed)
  lowers   runs of letters with a lower case of one character
"""
import sys
import unicodedata

END = 0x110000
HANGUL = range(0xAC00, 0xD7A4)
# Ideographs stand alone: the blocks that BERT's tokenization.py names (Devlin et al. 2018).
IDEOGRAPHS = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
              (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
ASCII_SYMBOLS = [(33, 47), (58, 64), (91, 96), (123, 126)]


def within(code, ranges):
    return any(a <= code <= b for a, b in ranges)


def class_of(code):
    kind = unicodedata.category(chr(code))
    if code in (9, 10, 13) or kind in ("Zs", "Zl", "Zp"):
        return "WPM_BLANK"
    if code in (0, 0xFFFD) or kind in ("Cc", "Cf", "Cs", "Co"):
        return "WPM_DROPPED"
    if within(code, ASCII_SYMBOLS) or kind[0] == "P" or within(code, IDEOGRAPHS):
        return "WPM_ALONE"
    return "WPM_MARK" if kind == "Mn" else None


def classes():
    found = []
    for code in range(END):
        kind = class_of(code)
        if found and found[-1][2] == kind and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code, kind])
    return [(a, b, kind) for a, b, kind in found if kind]


def bases():
    found = []
    for code in range(END):
        if code in HANGUL or 0xD800 <= code < 0xE000:
            continue
        whole = unicodedata.normalize("NFD", chr(code))
        left = [ord(c) for c in whole if unicodedata.category(c) != "Mn"]
        if whole == chr(code) or not left:
            continue  # nothing to do, or a mark that decomposes into marks
        assert len(left) <= 3, hex(code)
        found.append((code, left))
    return found


def lowers():
    """(first, last, step, what is added)"""
    runs = []
    for code in range(END):
        lower = chr(code).lower()
        if len(lower) != 1 or ord(lower) == code:
            continue
        delta = ord(lower) - code
        if runs and runs[-1][3] == delta:
            run = runs[-1]
            step = code - run[1]
            if step in (1, 2) and (run[0] == run[1] or step == run[2]):
                run[1], run[2] = code, step
                continue
        runs.append([code, code, 1, delta])
    return [tuple(r) for r in runs]


def put(head, rows):
    print(head)
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > 100:
            print(line)
            line = "   "
        line += " " + row + ","
    print(line)
    print("};\n")


def main():
    print("""/*
 * wpm_tables.h - Unicode %s as WordPiece needs it; see wpm_chars.h. Written by
 * tools/make-wpm-tables.py from Python's unicodedata; not to be edited. For wpm_chars.c alone.
 */
#ifndef RBEE_ENGINE_TOK_WPM_TABLES_H
#define RBEE_ENGINE_TOK_WPM_TABLES_H

#include "engine/tok/wpm_chars.h"

/* clang-format off */""" % unicodedata.unidata_version)
    put("static const struct wpm_range {\n    uint32_t first, last;\n    enum wpm_class kind;\n"
        "} wpm_ranges[] = {", ["{0x%X, 0x%X, %s}" % r for r in classes()])
    put("static const struct wpm_base {\n    uint32_t code, parts[WPM_PARTS]; /* 0: none */\n"
        "} wpm_bases[] = {",
        ["{0x%X, {%s}}" % (code, ", ".join("0x%X" % c for c in left)) for code, left in bases()])
    put("static const struct wpm_lower {\n    uint32_t first, last, step;\n    int32_t delta;\n"
        "} wpm_lowers[] = {", ["{0x%X, 0x%X, %d, %d}" % r for r in lowers()])
    print("/* clang-format on */\n\n#endif")


sys.exit(main())
