#!/usr/bin/env python3
"""Writes src/base/utf8_widths.h: which characters take no column of a terminal, and which take two.

    make-utf8-widths.py > src/base/utf8_widths.h

The source is Python's unicodedata; its version is told in the file. By Unicode's properties:

  none  General_Category Mn, Me and Cf, but the soft hyphen and the marks that are written before
        others (Prepended_Concatenation_Mark); the vowels and finals of Hangul, which are drawn into
        the syllable that their initial began; tags and what else Default_Ignorable_Code_Point
        keeps for later
  two   East_Asian_Width W and F, which all characters with Emoji_Presentation have; ideographs to
        come, as EastAsianWidth.txt says of them, and emoji to come, from the places that
        emoji-data.txt keeps for them
"""
import sys
import unicodedata

END = 0x110000
GAP = 16
VISIBLE = {0xAD, *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
NONE = [(0x1160, 0x11FF), (0xD7B0, 0xD7FB), (0xE0000, 0xE0FFF)]
IDEOGRAPHS = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFD),
              (0x30000, 0x3FFFD)]
EMOJI_TO_COME = [(0x1F6D0, 0x1F6FF), (0x1F7E0, 0x1F7FF), (0x1FA70, 0x1FAFF)]


def within(code, ranges):
    return any(a <= code <= b for a, b in ranges)


def columns(code):
    """None: there is no such character yet."""
    kind = unicodedata.category(chr(code))
    if within(code, NONE) or (kind in ("Mn", "Me", "Cf") and code not in VISIBLE):
        return 0
    if within(code, IDEOGRAPHS) or (kind == "Cn" and within(code, EMOJI_TO_COME)):
        return 2
    if kind == "Cn":
        return None
    return 2 if unicodedata.east_asian_width(chr(code)) in "WF" else 1


def ranges(width):
    """Across up to GAP characters that are not there yet, where no other comes between."""
    found, joins = [], False
    for code in range(0x80, END):
        n = columns(code)
        if n == width and joins:
            found[-1][1] = code
        elif n == width:
            found.append([code, code])
        elif n is None and joins:
            joins = code - found[-1][1] <= GAP
            continue
        joins = n == width
    return found


def put(name, rows):
    print("static const struct utf8_range %s[] = {" % name)
    line = "   "
    for row in rows:
        cell = " {0x%X, 0x%X}," % tuple(row)
        if len(line) + len(cell) > 100:
            print(line)
            line = "   "
        line += cell
    print(line + "\n};\n")


def main():
    print("""/*
 * utf8_widths.h - characters that take no column of a terminal, and those that take two: Unicode %s.
 * Written by tools/make-utf8-widths.py, which says by what properties; not to be edited. For
 * utf8_columns.c alone.
 */
#ifndef RBEE_BASE_UTF8_WIDTHS_H
#define RBEE_BASE_UTF8_WIDTHS_H

#include <stdint.h>

/* clang-format off */
struct utf8_range {
    uint32_t first, last;
};
""" % unicodedata.unidata_version)
    put("utf8_none", ranges(0))
    put("utf8_two", ranges(2))
    print("/* clang-format on */\n\n#endif")


sys.exit(main())
