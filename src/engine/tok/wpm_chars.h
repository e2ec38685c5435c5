/*
 * wpm_chars.h - characters as WordPiece sees them: what ends a word, what is one, what is dropped,
 * and letters without case and accents.
 *
 * Source: BasicTokenizer of BERT's published tokenization.py (Devlin et al. 2018), as Hugging
 * Face's BertNormalizer and BertPreTokenizer have it, over Unicode's categories, canonical
 * decompositions and simple lower cases (wpm_tables.h). One thing is of our own: characters that
 * Unicode has not assigned yet are letters, so that a newer text is unknown rather than nothing.
 * Pure functions; any thread.
 */
#ifndef RBEE_ENGINE_TOK_WPM_CHARS_H
#define RBEE_ENGINE_TOK_WPM_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum wpm_class {
    WPM_LETTER,  /* all that is nothing else, digits and most symbols too */
    WPM_DROPPED, /* controls, formats, private use, U+0000 and U+FFFD */
    WPM_BLANK,   /* ends a word */
    WPM_ALONE,   /* punctuation and ideographs: a word of one character */
    WPM_MARK     /* a letter's mark: dropped where accents are */
};

/* How a text is changed before it is cut. */
struct wpm_rules {
    bool strip_accents, lower;
};

/* Characters that one may become. */
#define WPM_PARTS 3

enum wpm_class wpm_class_of(uint32_t code);

/* What the character becomes by the rules, and how many they are: 0 for a mark that is dropped. */
int wpm_change(const struct wpm_rules *rules, uint32_t code, uint32_t parts[WPM_PARTS]);

#endif
